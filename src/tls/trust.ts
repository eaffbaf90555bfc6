/** Whom we believe: authorities and their revocation lists, and whether a certificate is still good under them. */
import type { X509Certificate } from 'node:crypto';
import { checkDates, isIssuedBy, isSelfIssued, parseCertificates } from './certificate.ts';
import { contentKey } from './content-key.ts';
import { MaterialError } from './material-error.ts';
import { material, type Material } from './material.ts';
import type { Files } from './read-stable.ts';
import { parseRevocationLists, type RevocationList } from './revocation-list.ts';

export interface Trust {
  /** PEM, as `tls.createSecureContext` takes it. */
  readonly ca: Buffer;
  readonly crl: Buffer | undefined;
  readonly authorities: readonly X509Certificate[];
  readonly lists: readonly RevocationList[];
  /** Changes with any byte of the authorities and lists. */
  readonly key: string;
  readonly caWhere: string;
  readonly crlWhere: string | undefined;
}

export interface TrustSources {
  readonly ca: string;
  readonly crl: string | undefined;
  /** Before the names of fields in errors. */
  readonly prefix: string;
}

const MAX_CHAIN = 10;

/** Rejects with a MaterialError. */
export async function loadTrust(sources: TrustSources, files: Files, now: Date): Promise<Trust> {
  const ca = material(sources.ca, `${sources.prefix}ca`, files);
  const authorities = parseAuthorities(ca, now);
  const crl = sources.crl === undefined ? undefined : material(sources.crl, `${sources.prefix}crl`, files);
  return {
    ca: ca.bytes,
    crl: crl?.bytes,
    authorities,
    lists: crl === undefined ? [] : await parseRevocationLists(crl, authorities, now),
    key: contentKey([ca.bytes, crl?.bytes]),
    caWhere: ca.where,
    crlWhere: crl?.where,
  };
}

/** Throws a MaterialError unless there is an authority that is valid now. */
export function parseAuthorities(ca: Material, now: Date): readonly X509Certificate[] {
  const authorities = parseCertificates(ca);
  let problem: unknown;
  for (const authority of authorities) {
    try {
      checkDates(authority, ca.where, now);
      return authorities;
    } catch (error) {
      problem ??= error;
    }
  }
  throw problem instanceof Error ? problem : new MaterialError(ca.where, 'there is no authority in it');
}

/** Whether a handshake with this certificate would succeed now. `presented` are certificates that came with it. */
export function isTrusted(
  leaf: X509Certificate,
  presented: readonly X509Certificate[],
  { authorities, lists }: Trust,
  now: Date,
): boolean {
  let current = leaf;
  for (let length = 0; length < MAX_CHAIN; length++) {
    if (current.validToDate < now || current.validFromDate > now) return false;
    const authority = authorities.find((each) => isIssuedBy(current, each));
    if (authority === undefined) {
      const next = presented.find((each) => each.ca && each !== current && isIssuedBy(current, each));
      if (next === undefined) return false;
      current = next;
      continue;
    }
    const serial = BigInt(`0x${current.serialNumber}`);
    if (lists.some((list) => list.authority === authority && list.revoked.has(serial))) return false;
    if (isSelfIssued(authority)) return authority.validToDate >= now;
    current = authority;
  }
  return false;
}
