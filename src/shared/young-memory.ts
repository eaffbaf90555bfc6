/** How much memory V8 takes for young objects: little while a program starts, as much as it likes afterwards, and little again when it has nothing to do. */
import { performance, type EventLoopUtilization } from 'node:perf_hooks';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * What is loaded at a start survives, which looks to V8 as if young objects needed more room. It would take 16 MB for
 * them, and an idle process gives nothing back. Call it before the modules are loaded.
 */
export function keepYoungMemorySmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}

/** The start is over: from now on V8 doubles the room for young objects when it sees a reason to, as it always does. */
export function letYoungMemoryGrow(): void {
  setFlagsFromString('--semi-space-growth-factor=2');
}

const LOOK_MS = 1_000;
/** Who does so little for so long will not need the room again at once. */
const QUIET_MS = 60_000;
/** Of the event loop; who does more is not idle. */
const IDLE_UTILIZATION = 0.1;
/** So much room for young objects is worth a collection that makes it smaller, in bytes. */
const WORTH_IT = 8 * 1024 * 1024;
/** The first collection may find that much was allocated just before. */
const MOST_COLLECTIONS = 3;

type Collect = (options: { readonly type: 'minor' }) => void;

/**
 * Gives the room for young objects back when the process has become idle: V8 does so when it collects and little is
 * being allocated, but who allocates little does not collect. Thousands of streams that are opened in a few seconds leave
 * 64 MB behind otherwise. A collection of young objects takes a few milliseconds.
 */
export class YoungMemory implements Disposable {
  readonly #timer: NodeJS.Timeout;
  readonly #quietMs: number;
  #before: EventLoopUtilization = performance.eventLoopUtilization();
  #busyAt = performance.now();
  #collections = 0;
  #collect: Collect | undefined;

  constructor({ lookMs = LOOK_MS, quietMs = QUIET_MS } = {}) {
    this.#quietMs = quietMs;
    this.#timer = setInterval(() => this.#look(), lookMs).unref();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, this.#before);
    this.#before = now;
    if (utilization > IDLE_UTILIZATION) {
      this.#busyAt = performance.now();
      this.#collections = 0;
    } else if (
      this.#collections < MOST_COLLECTIONS &&
      performance.now() - this.#busyAt > this.#quietMs &&
      roomForYoung() > WORTH_IT
    ) {
      this.#collections++;
      this.#collect ??= collector();
      this.#collect({ type: 'minor' });
    }
  }
}

/** In bytes. */
export function roomForYoung(): number {
  return getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')?.physical_space_size ?? 0;
}

/** V8's own, which is there in a context that is made after the flag was set. */
function collector(): Collect {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as Collect;
  setFlagsFromString('--no-expose-gc');
  return collect;
}
