/** The certificate that a client has shown on its connection, and who it says the client is. */
import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { alternativeNames, commonName, nameOf, oneLine } from './certificate.ts';

export interface ClientCertificate {
  /** Subject and issuer, each on one line. */
  readonly subject: string;
  readonly issuer: string;
  /** The SPIFFE id, when the certificate has exactly one URI and it is one. */
  readonly spiffeId: string | undefined;
  /** URIs, DNS names and mail addresses of the subject alternative name without their kinds, and `CN=name`. */
  readonly names: readonly string[];
  /** SHA-256 with colons. */
  readonly fingerprint: string;
}

const remembered = new WeakMap<Socket, ClientCertificate>();

/** For a connection that does not come from the client itself, and whose other end has verified the certificate. */
export function carryCertificate(socket: Socket, certificate: ClientCertificate): void {
  remembered.set(socket, certificate);
}

/** undefined for plain connections, and for clients that showed none, or none that was verified. */
export function clientCertificateOf(socket: Socket): ClientCertificate | undefined {
  if (!(socket instanceof TLSSocket)) return remembered.get(socket);
  if (!socket.authorized) return undefined;
  const known = remembered.get(socket);
  if (known !== undefined) return known;
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return undefined;
  const described = describeClient(certificate);
  remembered.set(socket, described);
  return described;
}

/** Whether one of its names is among the allowed ones, of which each may end in `*`; without a list everything is. */
export function isAllowedClient({ names }: ClientCertificate, allowed: readonly string[] | undefined): boolean {
  if (allowed === undefined) return true;
  return allowed.some((pattern) =>
    names.some((name) => (pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern)),
  );
}

export function describeClient(certificate: X509Certificate): ClientCertificate {
  const alternatives = alternativeNames(certificate).flatMap((name) => {
    const [, kind, value] = /^(URI|DNS|email):(.*)$/.exec(name) ?? [];
    return kind === undefined || value === undefined ? [] : [{ kind, value }];
  });
  const uris = alternatives.filter(({ kind }) => kind === 'URI').map(({ value }) => value);
  const [uri] = uris;
  const common = commonName(certificate);
  return {
    subject: nameOf(certificate).slice(1, -1),
    issuer: oneLine(certificate.issuer),
    // SPIFFE X509-SVID, section 2: exactly one URI.
    spiffeId: uris.length === 1 && uri?.startsWith('spiffe://') === true ? uri : undefined,
    names: [...alternatives.map(({ value }) => value), ...(common === undefined ? [] : [`CN=${common}`])],
    fingerprint: certificate.fingerprint256,
  };
}
