/** Calls that legacy servers hold open while their modern client is asked something: kept until the client comes back. */
import { randomBytes } from 'node:crypto';
import { GatewayError } from '../../shared/errors.ts';

export interface Parkable {
  /** Subject of the principal whose call it is. */
  readonly principal: string;
  /** Nobody came back in time, or the gateway ends. */
  expire(): void;
}

/** How long a client may take to answer; people are asked. */
export const PARKED_MS = 10 * 60_000;
const MAX_PARKED = 1_000;
const MAX_PER_PRINCIPAL = 100;

export class ParkedCalls<Call extends Parkable> implements Disposable {
  readonly #calls = new Map<string, { readonly call: Call; readonly timer: NodeJS.Timeout }>();

  get size(): number {
    return this.#calls.size;
  }

  /** Keeps a call; the returned id is a secret of its client. Throws `too_many_parked_calls`. */
  park(call: Call): string {
    const { principal } = call;
    const own = [...this.#calls.values()].filter((parked) => parked.call.principal === principal).length;
    if (this.#calls.size >= MAX_PARKED || own >= MAX_PER_PRINCIPAL) {
      throw new GatewayError(
        'too_many_parked_calls',
        `At most ${MAX_PARKED} calls (${MAX_PER_PRINCIPAL} of one caller) wait for answers of their clients.`,
      );
    }
    const id = randomBytes(16).toString('base64url');
    const timer = setTimeout(() => {
      this.#calls.delete(id);
      call.expire();
    }, PARKED_MS);
    timer.unref();
    this.#calls.set(id, { call, timer });
    return id;
  }

  /** The call, which is then no longer parked: two answers cannot resume it both. undefined when it is gone or another principal's. */
  take(id: string, principal: string): Call | undefined {
    const parked = this.#calls.get(id);
    if (parked === undefined || parked.call.principal !== principal) return undefined;
    clearTimeout(parked.timer);
    this.#calls.delete(id);
    return parked.call;
  }

  [Symbol.dispose](): void {
    for (const { call, timer } of this.#calls.values()) {
      clearTimeout(timer);
      call.expire();
    }
    this.#calls.clear();
  }
}
