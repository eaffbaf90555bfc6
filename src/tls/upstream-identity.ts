/** The Identity towards a server: from configuration and files to what an outbound TLS connection is opened with. */
import type { X509Certificate } from 'node:crypto';
import { checkServerIdentity, getCACertificates, type PeerCertificate, type SecureContext } from 'node:tls';
import type { UpstreamTlsConfig } from '../config/tls-config.ts';
import { certificateNote, type CertificateNote } from './certificate-note.ts';
import { contentKey } from './content-key.ts';
import { nextGeneration } from './generation.ts';
import { contextOf, loadKeyPair } from './key-pair.ts';
import type { MaterialError } from './material-error.ts';
import { contentOf, material, pathsIn } from './material.ts';
import type { Files } from './read-stable.ts';
import { parseAuthorities } from './trust.ts';

/** Loaded material for connections to servers; never changes. */
export interface UpstreamGeneration {
  readonly number: number;
  /** Equal for equal material and options. */
  readonly key: string;
  /** Options of `tls.connect`. */
  readonly connect: UpstreamConnectOptions;
  readonly notes: readonly CertificateNote[];
}

export interface UpstreamConnectOptions {
  readonly secureContext: SecureContext;
  readonly rejectUnauthorized: boolean;
  readonly checkServerIdentity: (hostname: string, certificate: PeerCertificate) => Error | undefined;
  /** Asked for by SNI in place of the host of the URL. */
  readonly servername?: string;
}

/** What a server gets without a word about TLS. */
export const PLAIN_IDENTITY: UpstreamTlsConfig = {
  ca: undefined,
  systemCa: true,
  cert: undefined,
  key: undefined,
  pfx: undefined,
  passphrase: undefined,
  minVersion: 'TLSv1.2',
  verify: true,
  serverName: undefined,
  strictNames: false,
};

/** The server's certificate names its host only in the common name, and `strictNames` refuses that. */
export class StrictNamesError extends Error {
  override readonly name = 'StrictNamesError';
  readonly code = 'GATEHOUSE_STRICT_NAMES';
}

export function upstreamPaths(config: UpstreamTlsConfig): readonly string[] {
  return [...pathsIn([config.ca, config.cert, config.key]), ...(config.pfx === undefined ? [] : [config.pfx])];
}

/** Resolves with `current` itself when nothing differs from it, however old it is. Rejects with a MaterialError. */
export async function loadUpstream(
  config: UpstreamTlsConfig,
  files: Files,
  current?: UpstreamGeneration,
): Promise<UpstreamGeneration> {
  const now = new Date();
  const key = keyOf(config, files);
  if (current?.key === key) return current;
  const pair = await loadKeyPair(config, { usage: 'client', prefix: 'tls.', files, now });
  const ca = config.ca === undefined ? undefined : material(config.ca, 'tls.ca', files);
  const authorities: readonly X509Certificate[] = ca === undefined ? [] : parseAuthorities(ca, now);
  const { serverName, verify, strictNames, minVersion } = config;
  const trusted = [...(ca === undefined ? [] : [ca.bytes]), ...(config.systemCa ? systemAuthorities() : [])];
  const secureContext = contextOf(
    { ...pair?.options, minVersion, ...(trusted.length === 0 ? {} : { ca: trusted }) },
    pair?.where ?? ca?.where ?? 'tls',
  );

  return {
    number: nextGeneration(),
    key,
    connect: {
      secureContext,
      rejectUnauthorized: verify,
      checkServerIdentity: (hostname, certificate) => checkNames(serverName ?? hostname, certificate, strictNames),
      ...(serverName === undefined ? {} : { servername: serverName }),
    },
    notes: [
      ...(pair === undefined ? [] : [certificateNote('client-certificate', pair.leaf, pair.where)]),
      ...authorities.map((authority) => certificateNote('authority', authority, ca?.where ?? '')),
    ],
  };
}

function keyOf({ ca, cert, key, pfx, ...options }: UpstreamTlsConfig, files: Files): string {
  const { passphrase, systemCa, minVersion, verify, serverName, strictNames } = options;
  const contents = [ca, cert, key, pfx].map((value) => contentOf(value, files));
  return contentKey([...contents, passphrase, systemCa, minVersion, verify, serverName, strictNames]);
}

let kept: readonly string[] | undefined;

/** Those that come with Node, those of NODE_EXTRA_CA_CERTS, and those of the machine (SSL_CERT_FILE and SSL_CERT_DIR count). Read once. */
function systemAuthorities(): readonly string[] {
  kept ??= [...new Set([...getCACertificates('default'), ...getCACertificates('system')])];
  return kept;
}

/** The rule of Node and OpenSSL, in which a certificate without any DNS name is taken by its common name; `strict` takes that away. */
function checkNames(hostname: string, certificate: PeerCertificate, strict: boolean): Error | undefined {
  const problem = checkServerIdentity(hostname, certificate);
  if (problem !== undefined || !strict) return problem;
  const names = certificate.subjectaltname ?? '';
  if (/(?:^|, )(?:DNS|IP Address):/.test(names)) return undefined;
  return new StrictNamesError('the certificate has no subject alternative name for a host');
}

/** The identity of one or several servers with equal configuration, whatever generation of it is current. */
export class UpstreamIdentity {
  readonly config: UpstreamTlsConfig;
  #state: UpstreamGeneration | MaterialError;
  readonly #listeners = new Set<() => void>();

  constructor(config: UpstreamTlsConfig, state: UpstreamGeneration | MaterialError) {
    this.config = config;
    this.#state = state;
  }

  /** Throws a MaterialError when there has never been any usable material. */
  current(): UpstreamGeneration {
    if (this.#state instanceof Error) throw this.#state;
    return this.#state;
  }

  /** What is wrong with it; undefined while there is material. */
  get failure(): MaterialError | undefined {
    return this.#state instanceof Error ? this.#state : undefined;
  }

  /** New connections use it from now on. */
  replace(state: UpstreamGeneration | MaterialError): void {
    this.#state = state;
    for (const listener of this.#listeners) listener();
  }

  /** Tells of each replacement; the result ends that. */
  onReplace(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}

/** For connections to places that the configuration says nothing about: token endpoints, schemas. */
export async function plainIdentity(): Promise<UpstreamIdentity> {
  return new UpstreamIdentity(PLAIN_IDENTITY, await loadUpstream(PLAIN_IDENTITY, new Map()));
}
