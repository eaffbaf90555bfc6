/** The certificates that a server has shown on a connection, for people. */
import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { alternativeNames, oneLine } from './certificate.ts';

export interface ShownCertificate {
  readonly subject: string;
  readonly issuer: string;
  /** `DNS:localhost`, `IP Address:127.0.0.1`, … */
  readonly names: readonly string[];
  readonly serialNumber: string;
  /** SHA-256 with colons. */
  readonly fingerprint: string;
  /** ISO 8601. */
  readonly validFrom: string;
  readonly validUntil: string;
}

const MAX_CHAIN = 10;

/** Leaf first; empty for plain connections. */
export function shownCertificates(socket: Socket): readonly ShownCertificate[] {
  const shown: ShownCertificate[] = [];
  let next = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
  while (next !== undefined && shown.length < MAX_CHAIN) {
    const described = describe(next);
    if (shown.at(-1)?.fingerprint === described.fingerprint) break;
    shown.push(described);
    next = next.issuerCertificate;
  }
  return shown;
}

function describe(certificate: X509Certificate): ShownCertificate {
  return {
    subject: oneLine(certificate.subject),
    issuer: oneLine(certificate.issuer),
    names: alternativeNames(certificate),
    serialNumber: certificate.serialNumber,
    fingerprint: certificate.fingerprint256,
    validFrom: certificate.validFromDate.toISOString(),
    validUntil: certificate.validToDate.toISOString(),
  };
}
