/** From the start of a program until it is ready, and its first listing of tools: what a cold gateway costs. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Contender } from '../contender.ts';
import { nginx } from '../contenders/nginx.ts';
import { nodeProxy } from '../contenders/node-proxy.ts';
import { mcpProxy, sdkProxy, supergateway } from '../contenders/peers.ts';
import { variant } from '../contenders/variants.ts';
import { expectedNames, listOnce } from '../load/expected-listing.ts';
import { messageOf, withoutPaths } from '../machine/paths.ts';
import { difference, processorTime } from '../machine/processor-time.ts';
import type { Column, Measurement, Row } from '../section.ts';
import type { Stage, Workload } from '../stage.ts';

/** Until the parts of a server that did not answer in time are in the listing, too. */
const COMPLETE_PATIENCE_MS = 60_000;
const POLL_MS = 20;

const COLUMNS: readonly Column[] = [
  { key: 'ready', title: 'ms until ready', spread: true },
  { key: 'cpu', title: 'CPU ms until ready' },
  { key: 'memory', title: 'MB when ready' },
  { key: 'list', title: 'ms of the first tools/list', spread: true },
  { key: 'listCpu', title: 'CPU ms of it' },
  { key: 'complete', title: 'ms until it is complete' },
];

interface StartWorkload {
  readonly servers: number;
  readonly tools: number;
  readonly contenders: readonly Contender[];
}

const unified = variant('gatehouse-unified');

const STARTED: readonly StartWorkload[] = [
  { servers: 1, tools: 10, contenders: [nginx, nodeProxy, unified, sdkProxy, mcpProxy, supergateway] },
  { servers: 20, tools: 10, contenders: [unified] },
  { servers: 500, tools: 10, contenders: [unified] },
];

export const STARTS: readonly Workload[] = STARTED.map((started) => ({
  name: `start-${started.servers}`,
  group: 'starts',
  title: `start until ready, and the first tools/list, ${started.servers === 1 ? 'one server' : `${started.servers} servers`} with ${started.tools} tools${started.servers === 1 ? '' : ' each'}`,
  contenders: started.contenders,
  open: false,
  measure: (stage, contenders) => measureStarts(stage, contenders, started),
}));

async function measureStarts(
  stage: Stage,
  contenders: readonly Contender[],
  started: StartWorkload,
): Promise<Measurement> {
  const rows: Row[] = contenders.map(({ name, does }) => ({ contender: name, does, figures: {}, faults: [] }));
  for (let round = 0; round < stage.plan.repeats; round++) {
    for (const [index, contender] of contenders.entries()) {
      const row = rows[index];
      if (row === undefined || row.faults.length > 0) continue;
      rows[index] = await startOnce(stage, contender, started, row);
    }
  }
  return {
    how: `${stage.plan.repeats} starts of each. Ready means that it answers; of Gatehouse also that every server is connected.`,
    columns: COLUMNS,
    rows,
  };
}

async function startOnce(
  stage: Stage,
  contender: Contender,
  { servers, tools }: StartWorkload,
  row: Row,
): Promise<Row> {
  const { pinning, upstreams, nodeOptions } = stage;
  try {
    const together = contender.gathers !== true;
    const upstream = await upstreams.for({ era: 'modern', wire: 'http', tools: together ? servers * tools : tools });
    const label = `${contender.name}-start-${servers}`;
    const begun = performance.now();
    await using running = await contender.start({
      ...{ label, upstream, servers, cpu: pinning?.tested, pinning, nodeOptions },
    });
    if (contender.profiled === true) await untilReady(running.port);
    const ready = performance.now() - begun;
    const readySpent = processorTime(running.pids);
    const figures: Record<string, number> = { ready, cpu: readySpent.total / 1_000, memory: readySpent.memory };
    // The peers speak to sessions only, and to processes with one tool.
    if (!running.sessions || contender.gathers === true) {
      const wanted = expectedNames({ servers, tools, together }, '___').toSorted().join();
      const listFrom = performance.now();
      let { names } = await listOnce(running);
      figures['list'] = performance.now() - listFrom;
      figures['listCpu'] = difference(readySpent, processorTime(running.pids)).total / 1_000;
      while (names.toSorted().join() !== wanted) {
        if (performance.now() - listFrom > COMPLETE_PATIENCE_MS) throw new Error(`${names.length} tools were listed`);
        await sleep(POLL_MS);
        ({ names } = await listOnce(running));
      }
      figures['complete'] = performance.now() - listFrom;
    }
    const added = Object.entries(figures).map(([key, value]) => [key, [...(row.figures[key] ?? []), value]] as const);
    return { ...row, figures: Object.fromEntries(added) };
  } catch (error) {
    return { ...row, faults: [...row.faults, withoutPaths(messageOf(error))] };
  }
}

async function untilReady(port: number): Promise<void> {
  while ((await fetch(`http://127.0.0.1:${port}/ready`)).status !== 200) await sleep(POLL_MS);
}
