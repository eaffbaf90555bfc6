/** Whether those who were let in may still be here: looked at again after each change in the store, for sessions and streams that stay open. */
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import type { Store } from '../store/store.ts';
import { GatewayError } from '../shared/errors.ts';
import type { Principal } from './authenticator.ts';
import type { Verified } from './verified.ts';

const MAX_CREDENTIALS = 50_000;
const SWEEP_MS = 15_000;
/** Nobody can be locked out meanwhile. */
const GRACE_MS = 3_600_000;

export interface StandingsOptions {
  /** undefined = nothing changes but the time. */
  readonly store: Pick<Store, 'onChange' | 'status'> | undefined;
  readonly log: Pick<Logger, 'error'>;
  /** ms since the epoch. */
  readonly now: () => number;
}

export class Standings implements Disposable {
  readonly #options: StandingsOptions;
  /** By credential. */
  readonly #standing = new Map<string, Verified>();
  /** Credentials that are good and do not count at present. */
  readonly #paused = new Set<string>();
  readonly #listeners = new Set<() => void>();
  readonly #unsubscribe: (() => void) | undefined;
  readonly #sweep: NodeJS.Timeout;
  /** How long the word of a store that does not answer counts; undefined = the default. */
  graceMs: number | undefined;
  #isOverdue = false;
  #epoch = 0;
  #ended = false;
  #checking: Promise<void> | undefined;

  constructor(options: StandingsOptions) {
    this.#options = options;
    this.#unsubscribe = options.store?.onChange(() => {
      this.lookAgain();
    });
    this.#sweep = setInterval(() => this.sweep(), SWEEP_MS);
    this.#sweep.unref();
  }

  /** What was verified before has to be looked at again: at once for requests, and for what is open when everybody was. */
  lookAgain(): void {
    this.#epoch++;
    void this.check();
  }

  /** What time alone brings about. Called now and then. */
  sweep(): void {
    this.#dropExpired();
    const { store, now } = this.#options;
    const status = store?.status();
    const isOverdue = status?.reachable === false && now() - status.lastAnswer > (this.graceMs ?? GRACE_MS);
    // Once: whoever cannot be looked at is not let in any more, and is asked for each time.
    if (isOverdue && !this.#isOverdue) this.lookAgain();
    this.#isOverdue = isOverdue;
  }

  /** Moves with each change in the store: what was verified in an earlier one must be looked at again. */
  get epoch(): number {
    return this.#epoch;
  }

  /** The same with the principal that is known already, when it is equal: others keep things by it. */
  add(verified: Verified): Verified {
    const { credential } = verified.principal;
    const before = this.#standing.get(credential);
    if (before === undefined && this.#standing.size >= MAX_CREDENTIALS) this.#makeRoom();
    const kept = before === undefined ? verified : withPrincipalOf(before, verified);
    this.#standing.set(credential, kept);
    return kept;
  }

  /** With the rights that it had when it was looked at last; undefined when it is not in standing. */
  principal(before: Principal): Principal | undefined {
    return this.has(before) ? this.#standing.get(before.credential)?.principal : undefined;
  }

  has({ credential }: Pick<Principal, 'credential'>): boolean {
    const verified = this.#standing.get(credential);
    return verified !== undefined && this.#counts(verified);
  }

  #counts({ validUntil, counts }: Verified): boolean {
    const now = this.#options.now();
    return now < validUntil && counts?.(now) !== false;
  }

  /** `listener` is called when somebody is not in standing any more, or has other rights than before. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Looks at everybody again, until nothing has changed while it did. Never rejects. */
  check(): Promise<void> {
    this.#checking ??= this.#checkUntilSettled().finally(() => (this.#checking = undefined));
    return this.#checking;
  }

  async #checkUntilSettled(): Promise<void> {
    let checked = -1;
    while (checked !== this.#epoch && !this.#ended) {
      checked = this.#epoch;
      await this.#checkAll();
    }
  }

  async #checkAll(): Promise<void> {
    let changed = false;
    for (const [credential, before] of this.#standing) {
      if (this.#ended) return;
      try {
        const verified = withPrincipalOf(before, await before.recheck());
        // Whoever has come again meanwhile was looked at then.
        if (this.#standing.get(credential) !== before) continue;
        this.#standing.set(credential, verified);
        changed ||= verified.principal !== before.principal;
      } catch (error) {
        if (!(error instanceof GatewayError))
          this.#options.log.error({ err: error }, 'a credential could not be looked at again; its sessions end');
        if (this.#standing.get(credential) === before) changed = this.#standing.delete(credential);
      }
    }
    if (changed) this.#tell();
  }

  /** What has come to its end goes; what may not be used at this time of the day stays, and what is open ends all the same. */
  #dropExpired(): void {
    const now = this.#options.now();
    let lost = false;
    for (const [credential, verified] of this.#standing) {
      if (verified.validUntil <= now) lost = this.#standing.delete(credential);
      else if (this.#counts(verified)) this.#paused.delete(credential);
      else if (!this.#paused.has(credential)) lost = this.#paused.add(credential).size > 0;
    }
    for (const credential of this.#paused) if (!this.#standing.has(credential)) this.#paused.delete(credential);
    if (lost) this.#tell();
  }

  /** Whoever has most credentials pays: nobody can lock others out by having many. */
  #makeRoom(): void {
    this.#dropExpired();
    if (this.#standing.size < MAX_CREDENTIALS) return;
    const bySubject = Map.groupBy(this.#standing, ([, { principal }]) => principal.subject);
    const [most = []] = [...bySubject.values()].toSorted((one, other) => other.length - one.length);
    for (const [credential] of most.slice(0, Math.ceil(most.length / 2))) this.#standing.delete(credential);
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }

  [Symbol.dispose](): void {
    this.#ended = true;
    clearInterval(this.#sweep);
    this.#unsubscribe?.();
    this.#listeners.clear();
  }
}

function withPrincipalOf(before: Verified, verified: Verified): Verified {
  return isDeepStrictEqual(before.principal, verified.principal)
    ? { ...verified, principal: before.principal }
    : verified;
}
