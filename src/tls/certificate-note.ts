/** What operators are told of one certificate, authority or revocation list. */
import type { X509Certificate } from 'node:crypto';
import { alternativeNames, nameOf } from './certificate.ts';
import type { RevocationList } from './revocation-list.ts';

export type CertificateRole =
  | 'listener-certificate'
  | 'sni-certificate'
  | 'client-certificate'
  | 'authority'
  | 'revocation-list';

export interface CertificateNote {
  readonly role: CertificateRole;
  /** Path of the file, or the name of the field for PEM text. */
  readonly where: string;
  readonly subject: string;
  /** Subject alternative names; empty for lists. */
  readonly names: readonly string[];
  /** SHA-256 with colons, as `openssl x509 -fingerprint -sha256` writes it; undefined for lists. */
  readonly fingerprint: string | undefined;
  readonly serial: string | undefined;
  readonly notBefore: Date;
  /** undefined for a list that is good for ever. */
  readonly notAfter: Date | undefined;
}

/** One of them, with who uses it. */
export interface NoteOfUse {
  readonly note: CertificateNote;
  readonly listener: boolean;
  /** Names of servers. */
  readonly servers: readonly string[];
}

export function certificateNote(
  role: Exclude<CertificateRole, 'revocation-list'>,
  certificate: X509Certificate,
  where: string,
): CertificateNote {
  return {
    role,
    where,
    subject: nameOf(certificate).slice(1, -1),
    names: alternativeNames(certificate),
    fingerprint: certificate.fingerprint256,
    serial: certificate.serialNumber,
    notBefore: certificate.validFromDate,
    notAfter: certificate.validToDate,
  };
}

export function revocationListNote(
  { authority, thisUpdate, nextUpdate }: RevocationList,
  where: string,
): CertificateNote {
  return {
    role: 'revocation-list',
    where,
    subject: nameOf(authority).slice(1, -1),
    names: [],
    fingerprint: undefined,
    serial: undefined,
    notBefore: thisUpdate,
    notAfter: nextUpdate,
  };
}
