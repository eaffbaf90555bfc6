/** Everything that is measured, in the order of the report. */
import { containersMissing } from './contenders/container.ts';
import { CALL_WORKLOADS } from './load/call-workloads.ts';
import { CONNECTION_WORKLOADS } from './load/connection-workloads.ts';
import { LISTING_WORKLOADS } from './load/listing-workloads.ts';
import type { LoadWorkload } from './load/load-workload.ts';
import { measureLoad } from './load/measure-load.ts';
import { MEMORY } from './memory/memory-workload.ts';
import { RELOAD } from './reload/reload-workload.ts';
import type { Workload } from './stage.ts';
import { STARTS } from './starts/start-workloads.ts';
import { STREAMS } from './streams/stream-workload.ts';

function loaded(group: string, workload: LoadWorkload): Workload {
  const { name, title, contenders, open = false } = workload;
  return {
    ...{ name, group, title, contenders, open },
    async measure(stage, chosen) {
      const skipped = name === 'container' ? containersMissing() : undefined;
      return skipped === undefined ? measureLoad(workload, stage, chosen) : { how: '', columns: [], rows: [], skipped };
    },
  };
}

export const WORKLOADS: readonly Workload[] = [
  ...CALL_WORKLOADS.map((workload) => loaded('calls', workload)),
  ...LISTING_WORKLOADS.map((workload) => loaded('listings', workload)),
  ...CONNECTION_WORKLOADS.map((workload) => loaded('connections', workload)),
  STREAMS,
  MEMORY,
  ...STARTS,
  RELOAD,
];
