/**
 * Loaded into a gateway by NODE_OPTIONS: at SIGUSR2 there is a full collection, and from then on it counts what old memory
 * gains in the quick ones; at the next SIGUSR2 the sum is in the file that GATEHOUSE_TEST_COLLECTIONS names.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { GCProfiler, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

interface Heap {
  readonly heapSpaceStatistics: readonly { readonly spaceName: string; readonly spaceUsedSize: number }[];
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const file = process.env['GATEHOUSE_TEST_COLLECTIONS'] ?? '';
let profiler: GCProfiler | undefined;

process.on('SIGUSR2', () => {
  if (profiler === undefined) {
    // What the gateway has now becomes old memory, as in one that has been running for long.
    collect();
    profiler = new GCProfiler();
    profiler.start();
    tell({ begun: 1 });
    return;
  }
  const quick = profiler.stop().statistics.filter(({ gcType }) => gcType === 'Scavenge');
  const gained = quick.reduce((sum, { beforeGC, afterGC }) => sum + oldMemory(afterGC) - oldMemory(beforeGC), 0);
  tell({ collections: quick.length, gained });
});

function oldMemory({ heapSpaceStatistics }: Heap): number {
  return heapSpaceStatistics.find(({ spaceName }) => spaceName === 'old_space')?.spaceUsedSize ?? 0;
}

function tell(value: object): void {
  writeFileSync(`${file}.new`, JSON.stringify(value));
  renameSync(`${file}.new`, file);
}
