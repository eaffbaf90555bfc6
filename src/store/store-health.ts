/** Whether the store answers and takes changes, as the last attempts have shown. */
import { faultOf, reasonOf } from './engine/database-error.ts';
import type { StoreError } from './store.ts';
import type { StoreErrorCode, StoreTrouble } from './store-status.ts';

export interface HealthState {
  readonly reachable: boolean;
  readonly writable: boolean;
  /** ms since the epoch. */
  readonly since: number;
  readonly lastAnswer: number;
  readonly lastError: StoreTrouble | undefined;
}

export class StoreHealth {
  readonly #errors = new Map<StoreErrorCode, number>();
  readonly #onTurn: (failure: StoreError | undefined) => void;
  #reachable = true;
  #writable = true;
  #since = Date.now();
  #lastAnswer = Date.now();
  #lastError: StoreTrouble | undefined;

  /** `onTurn` is called when it becomes another than it was. */
  constructor(onTurn: (failure: StoreError | undefined) => void) {
    this.#onTurn = onTurn;
  }

  get state(): HealthState {
    return {
      reachable: this.#reachable,
      writable: this.#reachable && this.#writable,
      since: this.#since,
      lastAnswer: this.#lastAnswer,
      lastError: this.#lastError,
    };
  }

  get errors(): ReadonlyMap<StoreErrorCode, number> {
    return this.#errors;
  }

  answered(): void {
    this.#lastAnswer = Date.now();
    this.#turn(true, this.#writable);
  }

  changed(): void {
    this.#lastAnswer = Date.now();
    this.#turn(true, true);
  }

  /** `during`: what was tried. Refusals of the store itself, such as a conflict, say that it answers. */
  failed(error: StoreError, during: 'read' | 'change'): void {
    this.#errors.set(error.code, (this.#errors.get(error.code) ?? 0) + 1);
    const { cause } = error;
    if (error.code !== 'full' && error.code !== 'unavailable') return this.answered();
    // Without a cause it is a limit of our own, such as that of waiting changes.
    if (cause === undefined) return;
    const fault = faultOf(cause);
    this.#lastError = { at: Date.now(), code: error.code, reason: reasonOf(cause) };
    if (fault === 'busy') return;
    // A disk that takes nothing more still gives what is on it.
    if (during === 'change' && (fault === 'full' || fault === 'read-only' || fault === 'failing')) {
      this.#lastAnswer = Date.now();
      this.#turn(true, false, error);
    } else this.#turn(false, this.#writable, error);
  }

  #turn(reachable: boolean, writable: boolean, failure?: StoreError): void {
    if (reachable === this.#reachable && writable === this.#writable) return;
    this.#reachable = reachable;
    this.#writable = writable;
    this.#since = Date.now();
    this.#onTurn(failure);
  }
}
