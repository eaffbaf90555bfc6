/** The Runtime that is current, and those before it that requests still hold. */
import type { Logger } from 'pino';
import type { Attachment } from '../upstream/attachment.ts';
import type { Runtime } from './runtime.ts';

/** One request's hold on the Runtime that was current when it came. */
export interface Hold extends Disposable {
  readonly runtime: Runtime;
}

interface Generation {
  readonly runtime: Runtime;
  holds: number;
  /** There once the Runtime was replaced; resolved by the last hold. */
  released: PromiseWithResolvers<void> | undefined;
}

export class CurrentRuntime implements AsyncDisposable {
  readonly #log: Logger;
  readonly #draining = new Set<Generation>();
  #current: Generation;

  constructor(runtime: Runtime, log: Logger) {
    this.#current = { runtime, holds: 0, released: undefined };
    this.#log = log;
  }

  get runtime(): Runtime {
    return this.#current.runtime;
  }

  /** How many earlier Runtimes wait for their last request. */
  get draining(): number {
    return this.#draining.size;
  }

  /**
   * The current Runtime for as long as a request needs it: a reload never changes a request in flight. With `held`, that
   * one once more: for what lasts longer than whoever holds it now.
   */
  hold(held?: Runtime): Hold {
    if (held === undefined || held === this.#current.runtime) return new GenerationHold(this.#current);
    const generation = [...this.#draining].find(({ runtime }) => runtime === held);
    if (generation === undefined) throw new Error('nobody holds this Runtime');
    return new GenerationHold(generation);
  }

  /** Makes `next` current at once. Resolves when the last request on the Runtime before has ended, and what it did not share has too. */
  async replace(next: Runtime): Promise<void> {
    const before = this.#current;
    this.#current = { runtime: next, holds: 0, released: undefined };
    before.released = Promise.withResolvers();
    this.#draining.add(before);
    if (before.holds > 0) {
      this.#log.info({ requestsInFlight: before.holds }, 'requests in flight finish on the configuration before');
      await before.released.promise;
    }
    try {
      await before.runtime[Symbol.asyncDispose]();
    } catch (error) {
      this.#log.error({ err: error }, 'something of the configuration before could not be ended in good order');
    }
    this.#draining.delete(before);
  }

  /** Releases what any living Runtime holds for a session. Never rejects. */
  async endSession(session: Attachment): Promise<void> {
    await Promise.all([this.#current, ...this.#draining].map(({ runtime }) => runtime.endSession(session)));
  }

  /** Ends all of them, also those that requests hold. */
  async [Symbol.asyncDispose](): Promise<void> {
    const runtimes = [...this.#draining, this.#current].map(({ runtime }) => runtime);
    const ended = await Promise.allSettled(runtimes.map((runtime) => runtime[Symbol.asyncDispose]()));
    for (const generation of this.#draining) generation.released?.resolve();
    for (const end of ended) if (end.status === 'rejected') throw end.reason;
  }
}

class GenerationHold implements Hold {
  readonly runtime: Runtime;
  #generation: Generation | undefined;

  constructor(generation: Generation) {
    this.runtime = generation.runtime;
    this.#generation = generation;
    generation.holds++;
  }

  [Symbol.dispose](): void {
    const generation = this.#generation;
    if (generation === undefined) return;
    this.#generation = undefined;
    generation.holds--;
    if (generation.holds === 0) generation.released?.resolve();
  }
}
