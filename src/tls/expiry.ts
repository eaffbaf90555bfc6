/** Warns of certificates, authorities and revocation lists that end soon: 30, 7 and 1 days ahead, and when they have ended. */
import type { Logger } from 'pino';
import type { NoteOfUse } from './certificate-note.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const THRESHOLDS_DAYS = [0, 1, 7, 30];
const LOOK_EVERY_MS = 60 * 60 * 1000;

/** The smallest threshold in days that has been passed: 30, 7, 1, 0 (it has ended); undefined while there is more time. */
export function expiryThreshold(notAfter: Date, now: Date): number | undefined {
  const days = (notAfter.getTime() - now.getTime()) / DAY_MS;
  return THRESHOLDS_DAYS.find((threshold) => days <= threshold);
}

export class ExpiryWatch implements Disposable {
  readonly #notes: () => readonly NoteOfUse[];
  readonly #log: Logger;
  readonly #now: () => Date;
  /** What was said last of each, so that it is said once. */
  #said = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: {
    readonly notes: () => readonly NoteOfUse[];
    readonly log: Logger;
    readonly now?: () => Date;
  }) {
    this.#notes = options.notes;
    this.#log = options.log;
    this.#now = options.now ?? (() => new Date());
  }

  start(): void {
    this.look();
    this.#timer = setInterval(() => this.look(), LOOK_EVERY_MS).unref();
  }

  /** Says what has come closer since the last look. */
  look(): void {
    const said = new Map<string, number>();
    for (const { note, listener, servers } of this.#notes()) {
      const { role, where, subject, notAfter } = note;
      const threshold = notAfter === undefined ? undefined : expiryThreshold(notAfter, this.#now());
      if (notAfter === undefined || threshold === undefined) continue;
      const key = JSON.stringify([role, where, subject, notAfter.getTime()]);
      said.set(key, threshold);
      if (this.#said.get(key) === threshold) continue;
      const what =
        role === 'revocation-list'
          ? 'a revocation list'
          : role === 'authority'
            ? 'the certificate of an authority'
            : 'a certificate';
      const fields = {
        file: where,
        subject,
        notAfter: notAfter.toISOString(),
        ...(listener ? { listener } : { servers }),
      };
      if (threshold === 0) this.#log.error(fields, `${what} has expired`);
      else
        this.#log.warn(
          fields,
          `${what} expires in ${threshold === 1 ? 'less than a day' : `less than ${threshold} days`}`,
        );
    }
    this.#said = said;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
