/** Takes work back: an AbortController that costs next to nothing while nobody uses it. */

/** What work listens to; every AbortSignal is one. */
export interface CancelSignal {
  readonly aborted: boolean;
  /** Why it was taken back; undefined until then. */
  readonly reason: unknown;
  throwIfAborted(): void;
  addEventListener(type: 'abort', listener: () => void, options?: { readonly once: true }): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

/** Node's own pair costs microseconds for each request: objects of the event system, and a listener table. */
export class Cancellation implements CancelSignal {
  #listeners: (() => void)[] | undefined;
  #aborted = false;
  #reason: unknown;

  get aborted(): boolean {
    return this.#aborted;
  }
  get reason(): unknown {
    return this.#reason;
  }
  get signal(): CancelSignal {
    return this;
  }

  throwIfAborted(): void {
    if (this.#aborted) throw this.#reason;
  }

  /** Tells everybody once; a second call does nothing. */
  abort(reason: unknown): void {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#reason = reason;
    const listeners = this.#listeners ?? [];
    // One that is removed by another is not told any more: by then it may work for somebody else.
    for (let next = listeners.shift(); next !== undefined; next = listeners.shift()) next();
    this.#listeners = undefined;
  }

  /** Each listener is told once at most; none is told that was added too late. */
  addEventListener(_type: 'abort', listener: () => void): void {
    if (this.#aborted) return;
    if (this.#listeners === undefined) this.#listeners = [listener];
    else this.#listeners.push(listener);
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    const listeners = this.#listeners;
    if (listeners === undefined) return;
    const index = listeners.indexOf(listener);
    if (index !== -1) listeners.splice(index, 1);
  }
}

/** The same as an AbortSignal, for libraries that want one. */
export function nativeSignal(signal: CancelSignal): AbortSignal {
  if (signal instanceof AbortSignal) return signal;
  const controller = new AbortController();
  if (signal.aborted) controller.abort(signal.reason);
  else signal.addEventListener('abort', () => controller.abort(signal.reason), { once: true });
  return controller.signal;
}
