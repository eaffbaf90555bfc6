/** The certificates, authorities and revocation lists of a gateway, for operators: what each is, when it ends, and who uses it. */
import type { CertificateNote, CertificateRole, NoteOfUse } from './certificate-note.ts';
import { expiryThreshold } from './expiry.ts';

export interface CertificateRecord {
  readonly role: CertificateRole;
  readonly subject: string;
  /** Subject alternative names such as `DNS:localhost`; empty for lists. */
  readonly names: readonly string[];
  /** SHA-256 with colons; undefined for lists. */
  readonly fingerprint: string | undefined;
  readonly serial: string | undefined;
  /** ISO 8601. */
  readonly notBefore: string;
  /** ISO 8601; undefined for a list that is good for ever. */
  readonly notAfter: string | undefined;
  /** Whole days until then, negative when it is over. */
  readonly daysLeft: number | undefined;
  /** `expiring`: within 30 days. */
  readonly state: 'valid' | 'expiring' | 'expired';
  /** Path of the file, or the name of the field for PEM text. */
  readonly source: string;
  readonly usedByListener: boolean;
  /** Names of servers. */
  readonly usedByServers: readonly string[];
}

export interface Inventory {
  /** What ends first stands first. */
  readonly certificates: readonly CertificateRecord[];
  /** Material that cannot be used. */
  readonly problems: readonly MaterialProblem[];
}

export interface MaterialProblem {
  readonly source: string;
  readonly reason: string;
  /** Names of the servers that cannot be reached for it; none when it concerns the listener. */
  readonly servers: readonly string[];
}

const DAY_MS = 24 * 60 * 60 * 1000;

export function inventory(notes: readonly NoteOfUse[], problems: readonly MaterialProblem[], now: Date): Inventory {
  const merged = new Map<string, CertificateRecord>();
  for (const { note, listener, servers } of notes) {
    // The same authority may be read for the listener and for servers.
    const key = JSON.stringify([note.role, note.where, note.fingerprint, note.subject]);
    const known = merged.get(key);
    merged.set(key, {
      ...recordOf(note, now),
      usedByListener: listener || known?.usedByListener === true,
      usedByServers: [...new Set([...(known?.usedByServers ?? []), ...servers])],
    });
  }
  return {
    certificates: [...merged.values()].toSorted((one, other) => ending(one) - ending(other)),
    problems,
  };
}

/** Without what only servers use that somebody does not see. */
export function visibleInventory(
  { certificates, problems }: Inventory,
  isVisible: (server: string) => boolean,
): Inventory {
  return {
    certificates: certificates.flatMap((record) => {
      const usedByServers = record.usedByServers.filter(isVisible);
      const isHidden = !record.usedByListener && usedByServers.length === 0 && record.usedByServers.length > 0;
      return isHidden ? [] : [{ ...record, usedByServers }];
    }),
    problems: problems.filter(({ servers }) => servers.length === 0 || servers.some(isVisible)),
  };
}

function recordOf(note: CertificateNote, now: Date): Omit<CertificateRecord, 'usedByListener' | 'usedByServers'> {
  const { role, subject, names, fingerprint, serial, notBefore, notAfter, where } = note;
  const threshold = notAfter === undefined ? undefined : expiryThreshold(notAfter, now);
  return {
    role,
    subject,
    names,
    fingerprint,
    serial,
    notBefore: notBefore.toISOString(),
    notAfter: notAfter?.toISOString(),
    daysLeft: notAfter === undefined ? undefined : Math.floor((notAfter.getTime() - now.getTime()) / DAY_MS),
    state: threshold === undefined ? 'valid' : threshold === 0 ? 'expired' : 'expiring',
    source: where,
  };
}

function ending({ notAfter }: CertificateRecord): number {
  return notAfter === undefined ? Number.POSITIVE_INFINITY : Date.parse(notAfter);
}
