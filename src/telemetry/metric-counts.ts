/** What one process has counted, as it is handed to another one, and the counts of several processes as one. */
import type { ErrorCode } from '../shared/errors.ts';
import type { ProcessSample } from './process-samples.ts';
import type { Series } from './request-series.ts';

/** Plain data. */
export interface MetricCounts {
  readonly requests: readonly Series[];
  readonly refused: ReadonlyMap<ErrorCode, number>;
  readonly denied: ReadonlyMap<ErrorCode, number>;
  readonly process: ProcessSample;
}

/** Counts are added; of what says how busy a process is the busiest one counts. `start` is that of the first. */
export function together([first, ...others]: readonly [MetricCounts, ...MetricCounts[]]): MetricCounts {
  if (others.length === 0) return first;
  const all = [first, ...others];
  return {
    requests: seriesOf(all.flatMap(({ requests }) => requests)),
    refused: added(all.map(({ refused }) => refused)),
    denied: added(all.map(({ denied }) => denied)),
    process: {
      ...first.process,
      cpuSeconds: sum(all, ({ cpuSeconds }) => cpuSeconds),
      residentBytes: sum(all, ({ residentBytes }) => residentBytes),
      heapBytes: sum(all, ({ heapBytes }) => heapBytes),
      externalBytes: sum(all, ({ externalBytes }) => externalBytes),
      utilization: Math.max(...all.map(({ process }) => process.utilization)),
      lagSeconds: Math.max(...all.map(({ process }) => process.lagSeconds)),
    },
  };
}

/** What remains of a process that has ended: what it has counted, and nothing that it held. */
export function afterEnd({ process, ...counted }: MetricCounts): MetricCounts {
  const nothing = { residentBytes: 0, heapBytes: 0, externalBytes: 0, utilization: 0, lagSeconds: 0 };
  return { ...counted, process: { ...process, ...nothing } };
}

function seriesOf(all: readonly Series[]): readonly Series[] {
  const bySeries = Map.groupBy(all, ({ route, server, method }) => JSON.stringify([route, server, method]));
  return [...bySeries.values()].flatMap((same) => {
    const [first] = same;
    if (first === undefined) return [];
    const buckets = first.buckets.map((_, index) =>
      same.reduce((total, each) => total + (each.buckets[index] ?? 0), 0),
    );
    return {
      ...first,
      outcomes: added(same.map(({ outcomes }) => outcomes)),
      buckets,
      sum: same.reduce((total, each) => total + each.sum, 0),
    };
  });
}

function added<K>(maps: readonly ReadonlyMap<K, number>[]): ReadonlyMap<K, number> {
  const total = new Map<K, number>();
  for (const map of maps) for (const [key, value] of map) total.set(key, (total.get(key) ?? 0) + value);
  return total;
}

function sum(all: readonly MetricCounts[], of: (sample: ProcessSample) => number): number {
  return all.reduce((total, { process }) => total + of(process), 0);
}
