/** What the process itself says of its load: processor, memory, and how late the event loop is. */
import { monitorEventLoopDelay, performance, type EventLoopUtilization } from 'node:perf_hooks';
import { family } from './exposition.ts';

const RESOLUTION_MS = 20;

export interface ProcessSample {
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  /** When the process began, in seconds since the epoch. */
  readonly startSeconds: number;
  readonly heapBytes: number;
  readonly externalBytes: number;
  /** Of the event loop since the sample before, 0 to 1. */
  readonly utilization: number;
  readonly lagSeconds: number;
}

export class ProcessSamples implements Disposable {
  readonly #delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  #utilization: EventLoopUtilization = performance.eventLoopUtilization();

  constructor() {
    this.#delays.enable();
  }

  /** What is said of the event loop is since the last call. */
  take(): ProcessSample {
    const { user, system } = process.cpuUsage();
    const memory = process.memoryUsage();
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, this.#utilization);
    this.#utilization = now;
    // The histogram holds the whole interval between two timers, of which the lateness is only a part.
    const late = Math.max(0, this.#delays.percentile(99) / 1e9 - RESOLUTION_MS / 1000);
    this.#delays.reset();
    return {
      cpuSeconds: (user + system) / 1e6,
      residentBytes: memory.rss,
      startSeconds: performance.timeOrigin / 1000,
      heapBytes: memory.heapUsed,
      externalBytes: memory.external,
      utilization,
      lagSeconds: late,
    };
  }

  [Symbol.dispose](): void {
    this.#delays.disable();
  }
}

/** As text for Prometheus. */
export function processFamilies(sample: ProcessSample): readonly string[] {
  return [
    family('process_cpu_seconds_total', [one(sample.cpuSeconds)]),
    family('process_resident_memory_bytes', [one(sample.residentBytes)]),
    family('process_start_time_seconds', [one(sample.startSeconds)]),
    family('nodejs_heap_size_used_bytes', [one(sample.heapBytes)]),
    family('nodejs_external_memory_bytes', [one(sample.externalBytes)]),
    family('nodejs_eventloop_utilization', [one(sample.utilization)]),
    family('nodejs_eventloop_lag_p99_seconds', [one(sample.lagSeconds)]),
  ];
}

function one(value: number): { readonly labels: readonly string[]; readonly value: number } {
  return { labels: [], value };
}
