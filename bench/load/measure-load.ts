/** Measures one workload of requests: all contenders are up at once and are loaded in turn, round after round. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Contender, Running, Setting } from '../contender.ts';
import { messageOf, withoutPaths } from '../machine/paths.ts';
import { pinned } from '../machine/pinning.ts';
import { difference, machineSeconds, processorTime, type ProcessorTime } from '../machine/processor-time.ts';
import type { Plan } from '../plan.ts';
import type { Column, Measurement, Row } from '../section.ts';
import type { Stage } from '../stage.ts';
import { applyLoad, prepare, type LoadOptions, type LoadResult, type Requests } from './generator.ts';
import type { LoadWorkload } from './load-workload.ts';

/** Above this share of its processor, the side of the load would bound the result. */
const SATURATED = 0.92;
/** What is tested has used up its own processor from here on, and the load side did not hold it back. */
const USED_UP = 0.9;
/** Less than this share of the wanted requests means that the rate was not kept. */
const KEPT_RATE = 0.98;
const SETTLE_MS = 500;

interface Entry {
  readonly contender: Contender;
  readonly figures: Record<string, number[]>;
  readonly faults: Set<string>;
  live: { readonly running: Running; readonly requests: Requests } | undefined;
}

interface Loading {
  readonly workload: LoadWorkload;
  readonly plan: Plan;
  readonly upstreamPids: readonly number[];
  readonly pinned: readonly string[];
  /** Somebody else's work does not tell who was the bottleneck where all processors are shared. */
  readonly alone: boolean;
}

export async function measureLoad(
  workload: LoadWorkload,
  stage: Stage,
  contenders: readonly Contender[],
): Promise<Measurement> {
  await using stack = new AsyncDisposableStack();
  const { plan, pinning, upstreams } = stage;
  const entries: Entry[] = [];
  for (const contender of contenders) {
    const entry: Entry = { contender, figures: {}, faults: new Set(), live: undefined };
    entries.push(entry);
    await orFault(entry, 'did not start', async () => {
      const together = contender.gathers !== true && workload.request.kind === 'list';
      const setting = await settingFor(workload, stage, contender, together);
      const running = stack.use(await contender.start(setting));
      await sleep(SETTLE_MS);
      entry.figures['memoryIdle'] = [processorTime(running.pids).memory];
      const ca = workload.handshake === undefined ? undefined : upstreams.pki.ca.cert;
      entry.live = { running, requests: await prepare(workload, running, { label: setting.label, ca, together }) };
    });
  }
  const loading: Loading = {
    workload,
    plan,
    upstreamPids: upstreams.pids(),
    pinned: pinned(pinning?.rest, pinning),
    alone: pinning !== undefined && workload.unpinned !== true,
  };
  for (const entry of entries) await orFault(entry, 'failed while it warmed up', () => warmUp(entry, loading));
  stage.onWarm();
  for (let round = 0; round < plan.rounds; round++) {
    for (const entry of entries) await orFault(entry, 'failed', () => oneRound(entry, loading));
  }
  return {
    how: howOf(workload),
    columns: columnsOf(workload),
    ratio: 'cpu',
    yardstick: 'nginx',
    rows: entries.map(({ contender, figures, faults }): Row => ({
      contender: contender.name,
      does: contender.does,
      figures,
      faults: [...faults],
    })),
  };
}

async function settingFor(
  workload: LoadWorkload,
  { upstreams, pinning, nodeOptions }: Stage,
  contender: Contender,
  together: boolean,
): Promise<Setting> {
  const { era, wire, servers, tools, handshake, unpinned } = workload;
  const upstream = await upstreams.for({ era, wire, tools: together ? servers * tools : tools });
  return {
    label: `${contender.name}-${workload.name}`,
    upstream,
    servers,
    cpu: unpinned === true ? undefined : pinning?.tested,
    pinning,
    nodeOptions,
    ...(handshake === undefined ? {} : { listener: upstreams.certificate(handshake.certificate) }),
  };
}

/** What goes wrong concerns this contender only. */
async function orFault(entry: Entry, what: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    entry.live = undefined;
    entry.faults.add(withoutPaths(`${what}: ${messageOf(error)}`.slice(0, 400)));
  }
}

/** At full speed, also where a slow rate is measured. */
async function warmUp({ live, contender }: Entry, { plan, pinned: before, workload }: Loading): Promise<void> {
  if (live === undefined) return;
  const deadline = performance.now() + plan.warmUpSeconds * 1_000;
  // Handshakes cost a hundred times what requests cost.
  const enough = workload.handshake === undefined ? plan.warmUpRequests : plan.warmUpRequests / 50;
  const seconds = Math.min(1, plan.warmUpSeconds / 2);
  let done = 0;
  do {
    const result = await applyLoad(live.requests, { pinned: before, seconds, rate: 0 });
    if (result.firstWrong !== '') throw new Error(`${contender.name} answers wrongly (${result.firstWrong})`);
    done += result.requests;
  } while (contender.compiled !== true && done < enough && performance.now() < deadline);
}

async function oneRound({ live, figures, faults }: Entry, loading: Loading): Promise<void> {
  if (live === undefined) return;
  const { running, requests } = live;
  const options: LoadOptions = { pinned: loading.pinned, seconds: loading.plan.seconds };
  // While the others had their turn its memory was given back and the processor forgot it.
  if (loading.plan.leadInSeconds > 0) await applyLoad(requests, { ...options, seconds: loading.plan.leadInSeconds });
  const { command = [], server = [] } = running.parts ?? {};
  const helperPids = running.helpers ?? [];
  const behindPids = running.behind?.() ?? [];
  // Below this process is most of it: counted once, so that the rest is what others used.
  const ours = [process.pid, ...running.pids, ...helperPids, ...loading.upstreamPids];
  const all = [running.pids, helperPids, loading.upstreamPids, ours, behindPids, command, server];
  const before = all.map(processorTime);
  const machineBefore = machineSeconds();
  const result = await applyLoad(requests, options);
  const machine = machineSeconds() - machineBefore;
  const spent = all.map((pids, index) => difference(before[index] ?? NOTHING, processorTime(pids)));
  const [tested = NOTHING, helpers = NOTHING, upstream = NOTHING, accounted = NOTHING, behind = NOTHING, ...parts] =
    spent;
  const counted = difference(behind, tested);
  for (const fault of faultsOf(result, tested, upstream, loading, running)) faults.add(withoutPaths(fault));
  const per = (us: number): number => us / Math.max(1, result.requests);
  const share = (us: number): number => us / 1e6 / result.seconds;
  const known = running.pids.length > 0;
  // For a handshake a client pays more than nginx: rates would be those of the load, and only processor time is told.
  const free = loading.workload.handshake === undefined || !heldBack(result, tested, upstream, loading, running);
  const figure: Readonly<Record<string, number | undefined>> = {
    cpu: known ? per(counted.total) : undefined,
    user: known ? per(counted.user) : undefined,
    system: known ? per(counted.system) : undefined,
    helpers: running.helpers === undefined ? undefined : per(helpers.total),
    command: running.parts === undefined ? undefined : per(parts[0]?.total ?? 0),
    behind: behindPids.length === 0 ? undefined : per(behind.total),
    server: running.parts === undefined ? undefined : per(parts[1]?.total ?? 0),
    rate: free ? result.requests / result.seconds : undefined,
    p50: free ? result.p50 : undefined,
    p99: free ? result.p99 : undefined,
    memory: known ? tested.memory : undefined,
    resumed: result.resumed === undefined ? undefined : (100 * result.resumed) / Math.max(1, result.requests),
    testedShare: known ? share(tested.total) : undefined,
    generatorShare: result.cpu / result.seconds,
    otherShare: result.cpu / result.seconds + share(upstream.total),
    upstreamShare: share(upstream.total),
    foreign: Math.max(0, (machine - result.cpu) / result.seconds - share(accounted.total)),
  };
  for (const [key, value] of Object.entries(figure)) if (value !== undefined) (figures[key] ??= []).push(value);
}

const NOTHING: ProcessorTime = { total: 0, user: 0, system: 0, memory: 0 };

function faultsOf(
  result: LoadResult,
  tested: ProcessorTime,
  upstream: ProcessorTime,
  loading: Loading,
  running: Running,
): string[] {
  const { workload } = loading;
  const faults: string[] = [];
  if (result.requests === 0) faults.push('no request was answered');
  if (result.wrong > 0) faults.push(`wrong answers (${result.firstWrong})`);
  if (result.unfinished > 0) faults.push('requests without an answer');
  if (workload.rate > 0 && result.requests < KEPT_RATE * workload.rate * result.seconds)
    faults.push('the rate was not kept');
  if (
    workload.handshake?.kind === 'resumed' &&
    (result.resumed ?? 0) < KEPT_RATE * result.requests - 2 * workload.connections
  )
    faults.push('sessions were not resumed');
  if (workload.handshake === undefined && heldBack(result, tested, upstream, loading, running))
    faults.push('the load generator and the server were the bottleneck');
  return faults;
}

/** True when the side of the load had used up its processor, and what is tested had not. */
function heldBack(
  { cpu, seconds }: LoadResult,
  tested: ProcessorTime,
  upstream: ProcessorTime,
  { alone }: Loading,
  { pids }: Running,
): boolean {
  const other = (cpu + upstream.total / 1e6) / seconds;
  return alone && pids.length > 0 && other > SATURATED && tested.total / 1e6 / seconds < USED_UP;
}

function howOf({ connections, rate, unpinned, handshake }: LoadWorkload): string {
  const load = rate === 0 ? 'saturated' : `${rate.toLocaleString('en')} requests/s`;
  const each =
    handshake === undefined
      ? ''
      : ', each request on a connection of its own, which costs a client more than nginx: where the load had no time left there are no rates';
  const shared = unpinned === true ? '; all processors: on one of them load and server take what they need' : '';
  return `${connections} connections${each}, ${load}${shared}.`;
}

function columnsOf({ handshake, unpinned }: LoadWorkload): readonly Column[] {
  const one = handshake === undefined ? 'request' : 'connection';
  return [
    { key: 'cpu', title: `CPU µs/${one}`, spread: true },
    { key: 'user', title: 'user' },
    { key: 'system', title: 'system' },
    // Shown where there are such figures.
    { key: 'command', title: 'of it command' },
    { key: 'server', title: 'of it server' },
    { key: 'helpers', title: 'engine µs' },
    { key: 'behind', title: 'own server µs' },
    { key: 'rate', title: `${one}s/s` },
    ...(unpinned === true
      ? [
          { key: 'testedShare', title: 'processors used' },
          { key: 'otherShare', title: 'by load and server' },
        ]
      : []),
    { key: 'p50', title: 'p50 µs' },
    { key: 'p99', title: 'p99 µs' },
    ...(handshake === undefined ? [] : [{ key: 'resumed', title: 'resumed %' }]),
    { key: 'memoryIdle', title: 'MB idle' },
    { key: 'memory', title: 'MB loaded' },
  ];
}
