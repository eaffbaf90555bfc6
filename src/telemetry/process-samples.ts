/** What the process itself says of its load: processor, memory, and how late the event loop is. */
import { monitorEventLoopDelay, performance, type EventLoopUtilization } from 'node:perf_hooks';
import { family } from './exposition.ts';

const RESOLUTION_MS = 20;

export class ProcessSamples implements Disposable {
  readonly #delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  #utilization: EventLoopUtilization = performance.eventLoopUtilization();

  constructor() {
    this.#delays.enable();
  }

  /** As text; what is said of the event loop is since the last call. */
  text(): string {
    const { user, system } = process.cpuUsage();
    const memory = process.memoryUsage();
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, this.#utilization);
    this.#utilization = now;
    // The histogram holds the whole interval between two timers, of which the lateness is only a part.
    const late = Math.max(0, this.#delays.percentile(99) / 1e9 - RESOLUTION_MS / 1000);
    this.#delays.reset();
    return [
      family('process_cpu_seconds_total', [one((user + system) / 1e6)]),
      family('process_resident_memory_bytes', [one(memory.rss)]),
      family('process_start_time_seconds', [one(performance.timeOrigin / 1000)]),
      family('nodejs_heap_size_used_bytes', [one(memory.heapUsed)]),
      family('nodejs_external_memory_bytes', [one(memory.external)]),
      family('nodejs_eventloop_utilization', [one(utilization)]),
      family('nodejs_eventloop_lag_p99_seconds', [one(late)]),
    ].join('');
  }

  [Symbol.dispose](): void {
    this.#delays.disable();
  }
}

function one(value: number): { readonly labels: readonly string[]; readonly value: number } {
  return { labels: [], value };
}
