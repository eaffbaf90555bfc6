/** Loaded into the gateway, as only there the delay of its loop can be told from that of the machine: on SIGUSR2 it writes the longest one since then, in ms. */
import { renameSync, writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';

const { STALL_METER_FILE: file } = process.env;
if (file !== undefined && process.argv.includes('serve')) {
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  histogram.enable();
  process.on('SIGUSR2', () => {
    writeFileSync(`${file}.new`, String(histogram.max / 1e6));
    renameSync(`${file}.new`, file);
    histogram.reset();
  });
}
