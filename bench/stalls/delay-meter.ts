/** Loaded into the gateway, as only there the delay of its loop can be told from that of the machine: on SIGUSR2 it writes the longest stalls since then, as JSON. */
import { renameSync, writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';

/** In ms. */
export interface Longest {
  /** Of the delays of the loop. On a machine that others use, this is also how long these were at work. */
  readonly clock: number;
  /** What the thread of the loop has spent between two turns of a timer. */
  readonly processor: number;
}

const { STALL_METER_FILE: file } = process.env;
if (file !== undefined && process.argv.includes('serve')) {
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  histogram.enable();
  let before = process.threadCpuUsage();
  let processor = 0;
  setInterval(() => {
    const now = process.threadCpuUsage();
    processor = Math.max(processor, (now.user - before.user + now.system - before.system) / 1_000);
    before = now;
  }, 1).unref();
  process.on('SIGUSR2', () => {
    const longest: Longest = { clock: histogram.max / 1e6, processor };
    writeFileSync(`${file}.new`, JSON.stringify(longest));
    renameSync(`${file}.new`, file);
    histogram.reset();
    processor = 0;
  });
}
