/** A new configuration with hundreds of servers, put to use while requests go on. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Contender, Running } from '../contender.ts';
import { configuration, serversBehind } from '../contenders/gatehouse-configuration.ts';
import { variant } from '../contenders/variants.ts';
import { applyLoad, prepare, type LoadResult } from '../load/generator.ts';
import type { LoadWorkload } from '../load/load-workload.ts';
import { messageOf, withoutPaths } from '../machine/paths.ts';
import { pinned } from '../machine/pinning.ts';
import { difference, processorTime } from '../machine/processor-time.ts';
import { runFolder } from '../machine/run-folder.ts';
import type { Column, Measurement, Row } from '../section.ts';
import type { Stage, Workload } from '../stage.ts';

const SERVERS = 500;
const RATE = 500;
const PAUSE_MS = 500;
const PATIENCE_MS = 60_000;
/** Of each kind of change, under load. */
const LOAD_SECONDS = 3;

const COLUMNS: readonly Column[] = [
  { key: 'ms', title: 'ms until in use', spread: true },
  { key: 'cpu', title: 'CPU ms', spread: true },
  { key: 'memory', title: 'MB' },
  { key: 'quietP99', title: 'p99 µs of calls without' },
  { key: 'p99', title: 'with a reload' },
  { key: 'max', title: 'longest µs with one' },
];

/** One configuration after another; the reload of the first one of two is not counted. */
interface Change {
  readonly name: string;
  readonly does: string;
  readonly from: Servers;
  readonly to: Servers;
  /** How many servers the gateway must find different. */
  readonly differing: number;
}

interface Servers {
  readonly count: number;
  /** Part of the address of the last one. */
  readonly mark: string;
}

const ALL: Servers = { count: SERVERS, mark: '' };
const CHANGES: readonly Change[] = [
  { name: 'same', does: 'nothing has changed', from: ALL, to: ALL, differing: 0 },
  { name: 'changed', does: 'one server has another address', from: { ...ALL, mark: '/new' }, to: ALL, differing: 1 },
  { name: 'added', does: 'one server is added', from: { ...ALL, count: SERVERS - 1 }, to: ALL, differing: 1 },
  { name: 'all added', does: 'all but one are added', from: { ...ALL, count: 1 }, to: ALL, differing: SERVERS - 1 },
];

const CALLS: LoadWorkload = {
  name: 'reload',
  title: 'calls meanwhile',
  request: { kind: 'call', answerSize: 150, padding: 20, events: 0 },
  era: 'modern',
  connections: 16,
  rate: RATE,
  wire: 'http',
  servers: SERVERS,
  tools: 10,
  contenders: [],
};

const gatehouse = variant('gatehouse');

export const RELOAD: Workload = {
  name: 'reload',
  group: 'reload',
  title: `reload of a configuration with ${SERVERS} servers`,
  contenders: [gatehouse],
  open: false,
  async measure(stage, contenders): Promise<Measurement> {
    const rows: Row[] = [];
    for (const contender of contenders) rows.push(...(await measureReloads(stage, contender)));
    return {
      how: `${stage.plan.repeats} reloads of each kind by POST /reload, without load; then one while ${RATE} calls/s go to a server that did not change. Each answer is checked.`,
      columns: COLUMNS,
      rows,
    };
  },
};

async function measureReloads(stage: Stage, contender: Contender): Promise<Row[]> {
  const { plan, pinning, upstreams, nodeOptions } = stage;
  const rows: Row[] = [];
  try {
    const upstream = await upstreams.for({ era: CALLS.era, wire: CALLS.wire, tools: CALLS.tools });
    const label = `${contender.name}-reload`;
    const configFile = join(runFolder('configurations'), `${label}.json`);
    const use = ({ count, mark }: Servers): void =>
      writeFileSync(configFile, configuration(serversBehind({ upstream, servers: count }, mark)));
    use(ALL);
    await using running = await contender.start({
      ...{ label, upstream, servers: SERVERS, cpu: pinning?.tested, pinning, nodeOptions, configFile },
    });
    const requests = await prepare(CALLS, running, { label, ca: undefined, together: false });
    const load = (): Promise<LoadResult> =>
      applyLoad(requests, { pinned: pinned(pinning?.rest, pinning), seconds: LOAD_SECONDS });
    await load();
    const quiet = await load();
    stage.onWarm();
    for (const change of CHANGES) {
      const figures: Record<string, number[]> = { quietP99: [quiet.p99] };
      for (let repeat = 0; repeat <= plan.repeats; repeat++) {
        use(change.from);
        await reload(running, undefined);
        use(change.to);
        // The last one comes while calls go on.
        const loading = repeat === plan.repeats ? load() : undefined;
        if (loading !== undefined) await sleep((LOAD_SECONDS * 1_000) / 3);
        const { ms, cpu } = await reload(running, change.differing);
        if (loading === undefined) {
          (figures['ms'] ??= []).push(ms);
          (figures['cpu'] ??= []).push(cpu);
        } else Object.assign(figures, callFigures(await loading));
      }
      figures['memory'] = [processorTime(running.pids).memory];
      rows.push({ contender: `${contender.name}, ${change.name}`, does: change.does, figures, faults: [] });
    }
  } catch (error) {
    const faults = [withoutPaths(messageOf(error))];
    rows.push({ contender: contender.name, does: contender.does, figures: {}, faults });
  }
  return rows;
}

/** Throws unless every call was answered rightly. */
function callFigures({ wrong, unfinished, firstWrong, p99, max }: LoadResult): Record<string, number[]> {
  if (wrong + unfinished > 0) throw new Error(`${wrong + unfinished} calls failed while it reloaded (${firstWrong})`);
  return { p99: [p99], max: [max] };
}

interface ReloadAnswer {
  readonly ok?: boolean;
  readonly servers?: Readonly<Record<'added' | 'removed' | 'changed', readonly string[]>>;
}

/** Until the new configuration is in use. Throws unless so many servers were different. */
async function reload(running: Running, differing: number | undefined): Promise<{ ms: number; cpu: number }> {
  await sleep(PAUSE_MS);
  const before = processorTime(running.pids);
  const begun = performance.now();
  const response = await fetch(`http://${running.host}:${running.port}/reload`, {
    method: 'POST',
    headers: running.headers(0),
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  const answer = (await response.json()) as ReloadAnswer;
  const ms = performance.now() - begun;
  const { added, removed, changed } = answer.servers ?? { added: [], removed: [], changed: [] };
  const found = added.length + removed.length + changed.length;
  if (answer.ok !== true || (differing !== undefined && found !== differing))
    throw new Error(`a reload found ${found} servers different: ${JSON.stringify(answer).slice(0, 300)}`);
  return { ms, cpu: difference(before, processorTime(running.pids)).total / 1_000 };
}
