/** Finds where an issuer publishes its keys (OpenID Connect Discovery 1.0, RFC 8414). */
import type { FetchJson } from './key-set.ts';

/** Rejects unless a metadata document of exactly this issuer names an address of keys that may be asked. */
export async function keySetLocation(issuer: string, fetchJson: FetchJson): Promise<URL> {
  const problems: unknown[] = [];
  for (const url of metadataLocations(issuer)) {
    try {
      return keysIn(await fetchJson(url), issuer);
    } catch (error) {
      problems.push(error);
    }
  }
  throw new AggregateError(problems, `no metadata of ${issuer} could be used`);
}

function metadataLocations(issuer: string): readonly URL[] {
  const base = issuer.replace(/\/$/, '');
  const { origin, pathname } = new URL(issuer);
  const path = pathname.replace(/\/$/, '');
  const locations = [
    `${base}/.well-known/openid-configuration`,
    `${origin}/.well-known/oauth-authorization-server${path}`,
  ];
  return locations.map((location) => new URL(location));
}

function keysIn(metadata: unknown, issuer: string): URL {
  const { issuer: named, jwks_uri: uri } = (metadata ?? {}) as {
    readonly issuer?: unknown;
    readonly jwks_uri?: unknown;
  };
  // Mix-up: metadata of another issuer would let it sign for this one.
  if (named !== issuer) throw new Error('the metadata are those of another issuer');
  const url = typeof uri === 'string' ? URL.parse(uri) : null;
  if (url === null) throw new Error('the metadata name no address of keys');
  const downgraded = url.protocol !== 'https:' && url.protocol !== new URL(issuer).protocol;
  if (downgraded || !/^https?:$/.test(url.protocol)) throw new Error('the address of the keys is not an https URL');
  return url;
}
