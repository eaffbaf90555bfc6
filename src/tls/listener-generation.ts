/** The material of the listener: from configuration and files to contexts that have proven themselves. */
import { constants, type X509Certificate } from 'node:crypto';
import type { SecureContext, SecureContextOptions } from 'node:tls';
import type { KeyPairConfig, ListenerTlsConfig } from '../config/tls-config.ts';
import { certificateNote, revocationListNote, type CertificateNote } from './certificate-note.ts';
import { alternativeNames, commonName } from './certificate.ts';
import { contentKey } from './content-key.ts';
import { nextGeneration } from './generation.ts';
import { contextOf, type KeyPair, loadKeyPair } from './key-pair.ts';
import { MaterialError } from './material-error.ts';
import { contentOf, pathsIn } from './material.ts';
import type { Files } from './read-stable.ts';
import { loadTrust, type Trust } from './trust.ts';

/** Loaded material of the listener; never changes. */
export interface ListenerGeneration {
  readonly number: number;
  /** Equal for equal material and options. */
  readonly key: string;
  /** Changes whenever another set of clients may be let in: session tickets from before must then die. */
  readonly trustKey: string;
  /** For clients that ask for no name, or for one that no other certificate has. */
  readonly leaf: X509Certificate;
  readonly trust: Trust | undefined;
  readonly allowedClients: readonly string[] | undefined;
  /** Everything for `createServer` and `setSecureContext`: nothing is inherited from one call to the next. */
  context(tickets: Buffer): SecureContextOptions;
  readonly sni: readonly SniEntry[];
  readonly notes: readonly CertificateNote[];
}

export interface SniEntry {
  /** Lower-case; may begin with `*.`. */
  readonly names: readonly string[];
  readonly pair: KeyPair;
}

/** Only authenticated encryption with forward secrecy. */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

export function listenerPaths(config: ListenerTlsConfig): readonly string[] {
  const pairs: readonly KeyPairConfig[] = [config, ...config.sni];
  return [
    ...pathsIn([config.ca, config.crl, ...pairs.flatMap(({ cert, key }) => [cert, key])]),
    ...pairs.flatMap(({ pfx }) => (pfx === undefined ? [] : [pfx])),
  ];
}

/** Resolves with `current` itself when nothing differs from it, however old it is. Rejects with a MaterialError. */
export async function loadListener(
  config: ListenerTlsConfig,
  files: Files,
  current?: ListenerGeneration,
): Promise<ListenerGeneration> {
  const now = new Date();
  const key = keyOf(config, files);
  if (current?.key === key) return current;
  const pair = await requiredPair(config, 'gateway.tls.', files, now);
  const sni = await Promise.all(
    config.sni.map(async (entry, index): Promise<SniEntry> => {
      const own = await requiredPair(entry, `gateway.tls.sni[${index}].`, files, now);
      const names = entry.names.length > 0 ? entry.names : hostNames(own.leaf);
      if (names.length > 0) return { names, pair: own };
      throw new MaterialError(own.where, 'the certificate has no host name, and none is configured for it');
    }),
  );
  const { ca, crl, clientAuth, minVersion } = config;
  const trust = ca === undefined ? undefined : await loadTrust({ ca, crl, prefix: 'gateway.tls.' }, files, now);
  const trustKey = contentKey([clientAuth, trust?.key, ...(config.allowedClients ?? [])]);
  const shared: SecureContextOptions = {
    minVersion,
    ciphers: CIPHERS,
    honorCipherOrder: true,
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    // A ticket from another set of trusted clients must never be resumed, whatever key it was made with.
    sessionIdContext: trustKey.slice(0, 32),
    ...(trust === undefined ? {} : { ca: trust.ca, ...(trust.crl === undefined ? {} : { crl: trust.crl }) }),
  };
  contextOf({ ...pair.options, ...shared }, pair.where);

  return {
    number: nextGeneration(),
    key,
    trustKey,
    leaf: pair.leaf,
    trust,
    allowedClients: config.allowedClients,
    context: (tickets) => ({ ...pair.options, ...shared, ticketKeys: tickets }),
    sni: sni.map((entry) => ({ ...entry, pair: { ...entry.pair, options: { ...shared, ...entry.pair.options } } })),
    notes: [
      certificateNote('listener-certificate', pair.leaf, pair.where),
      ...sni.map((entry) => certificateNote('sni-certificate', entry.pair.leaf, entry.pair.where)),
      ...(trust?.authorities ?? []).map((each) => certificateNote('authority', each, trust?.caWhere ?? '')),
      ...(trust?.lists ?? []).map((each) => revocationListNote(each, trust?.crlWhere ?? '')),
    ],
  };
}

function keyOf(config: ListenerTlsConfig, files: Files): string {
  const pairs = [config, ...config.sni].flatMap(({ cert, key, pfx, passphrase }) => [
    ...[cert, key, pfx].map((value) => contentOf(value, files)),
    passphrase,
  ]);
  const names = config.sni.map((entry) => entry.names.join(','));
  const trust = [config.ca, config.crl].map((value) => contentOf(value, files));
  const allowed = config.allowedClients ?? [];
  return contentKey([
    ...pairs,
    ...trust,
    config.clientAuth,
    config.minVersion,
    String(names.length),
    ...names,
    ...allowed,
  ]);
}

/** One context for each certificate that is chosen by name. */
export function sniContexts(
  { sni }: ListenerGeneration,
  tickets: Buffer,
): (servername: string) => SecureContext | undefined {
  const exact = new Map<string, SecureContext>();
  for (const { names, pair } of sni) {
    const context = contextOf({ ...pair.options, ticketKeys: tickets }, pair.where);
    for (const name of names) if (!exact.has(name)) exact.set(name, context);
  }
  return (servername) => {
    const name = servername.toLowerCase();
    return exact.get(name) ?? exact.get(name.replace(/^[^.]+/, '*'));
  };
}

/**
 * What must not happen to a certificate that serves: that the next one is an authority's, or no longer has the name
 * that clients know the gateway by. Throws a MaterialError.
 */
export function checkSuccession(
  before: ListenerGeneration,
  after: ListenerGeneration,
  domain: string,
  where: string,
): void {
  if (after.leaf.ca && !before.leaf.ca) {
    throw new MaterialError(where, 'the new certificate is that of an authority, and the present one is not');
  }
  if (hasName(before.leaf, domain) && !hasName(after.leaf, domain)) {
    throw new MaterialError(where, `the new certificate is not made for ${domain}, and the present one is`);
  }
}

function hasName(leaf: X509Certificate, host: string): boolean {
  return leaf.checkHost(host) !== undefined;
}

async function requiredPair(config: KeyPairConfig, prefix: string, files: Files, now: Date): Promise<KeyPair> {
  const pair = await loadKeyPair(config, { usage: 'server', prefix, files, now });
  if (pair === undefined) throw new MaterialError(`${prefix}cert`, 'there is no certificate');
  return pair;
}

function hostNames(leaf: X509Certificate): readonly string[] {
  const names = alternativeNames(leaf).flatMap((name) =>
    name.startsWith('DNS:') ? [name.slice(4).toLowerCase()] : [],
  );
  const common = commonName(leaf);
  return names.length > 0 || common === undefined ? names : [common.toLowerCase()];
}
