/** Measures one workload: all contenders are up at once and are loaded in turn, round after round. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Contender, Context, Running, Upstream } from './contender.ts';
import { applyLoad, prepare, type LoadResult, type Requests } from './load.ts';
import { difference, processorTime, type ProcessorTime } from './processor-time.ts';
import type { Workload } from './workload.ts';

export interface Plan {
  readonly rounds: number;
  readonly seconds: number;
  /** Of each contender before the first round, within a limit of time: compilers count requests and not seconds. */
  readonly warmUpRequests: number;
  /** The processor for what is under test, and the one for all else. */
  readonly cpus: { readonly tested: number; readonly rest: number } | undefined;
}

/** One round of one contender. */
export interface Round {
  /** Microseconds of processor time for one request: of the scheduler, and its division into user and system. */
  readonly cpu: number;
  readonly user: number;
  readonly system: number;
  readonly requestsPerSecond: number;
  readonly p50: number;
  readonly p99: number;
  /** Resident memory afterwards, in MiB. */
  readonly memory: number;
  /** Shares of one processor that each side used: who was the bottleneck. */
  readonly load: { readonly tested: number; readonly generator: number; readonly upstream: number };
}

export interface Measured {
  readonly contender: string;
  readonly does: string;
  readonly memoryIdle: number;
  readonly rounds: readonly Round[];
  /** What makes the figures worthless; empty when they hold. */
  readonly faults: readonly string[];
}

export interface Stage {
  readonly contenders: readonly Contender[];
  readonly context: Omit<Context, 'workload'>;
  readonly upstreamPids: readonly number[];
  readonly upstream: Upstream;
}

/** Above this share of its processor, the side of the load would bound the result. */
const SATURATED = 0.92;
const WARM_UP_LIMIT_MS = 20_000;

interface Entry {
  readonly contender: Contender;
  readonly running: Running;
  readonly requests: Requests;
  readonly memoryIdle: number;
  readonly rounds: Round[];
  readonly faults: Set<string>;
}

export async function measure(workload: Workload, plan: Plan, stage: Stage): Promise<readonly Measured[]> {
  await using stack = new AsyncDisposableStack();
  const entries: Entry[] = [];
  for (const contender of stage.contenders) {
    const running = stack.use(await contender.start({ ...stage.context, workload }));
    await sleep(500);
    const memoryIdle = processorTime(running.pids).memory;
    const requests = await prepare(contender.name, workload, running);
    entries.push({ contender, running, requests, memoryIdle, rounds: [], faults: new Set() });
  }
  const options = { program: stage.context.native.load, cpu: plan.cpus?.rest };
  for (const entry of entries) {
    await warmUp(entry, plan, options);
  }
  for (let round = 0; round < plan.rounds; round++) {
    for (const entry of entries) entry.rounds.push(await oneRound(entry, plan, stage, options));
  }
  return entries.map(({ contender, memoryIdle, rounds, faults }) => ({
    contender: contender.name,
    does: contender.does,
    memoryIdle,
    rounds,
    faults: [...faults],
  }));
}

/** At full speed, also where a slow rate is measured. */
async function warmUp(
  { requests, contender }: Entry,
  { warmUpRequests }: Plan,
  options: { readonly program: string; readonly cpu: number | undefined },
): Promise<void> {
  const deadline = performance.now() + WARM_UP_LIMIT_MS;
  for (let done = 0; done < warmUpRequests && performance.now() < deadline;) {
    const result = await applyLoad(requests, { ...options, seconds: 1, rate: 0 });
    if (result.firstWrong !== '') throw new Error(`${contender.name} answers wrongly: ${result.firstWrong}`);
    done += result.requests;
  }
}

async function oneRound(
  { requests, running, faults }: Entry,
  plan: Plan,
  stage: Stage,
  options: { readonly program: string; readonly cpu: number | undefined },
): Promise<Round> {
  const [before, upstreamBefore] = [processorTime(running.pids), processorTime(stage.upstreamPids)];
  const result = await applyLoad(requests, { ...options, seconds: plan.seconds });
  const spent = difference(before, processorTime(running.pids));
  const upstream = difference(upstreamBefore, processorTime(stage.upstreamPids));
  for (const fault of faultsOf(result, spent, upstream, plan, running)) faults.add(fault);
  const per = (us: number): number => us / Math.max(1, result.requests);
  return {
    cpu: per(spent.total),
    user: per(spent.user),
    system: per(spent.system),
    requestsPerSecond: result.requests / result.seconds,
    p50: result.p50,
    p99: result.p99,
    memory: spent.memory,
    load: {
      tested: spent.total / 1e6 / result.seconds,
      generator: result.cpu / result.seconds,
      upstream: upstream.total / 1e6 / result.seconds,
    },
  };
}

function faultsOf(
  result: LoadResult,
  spent: ProcessorTime,
  upstream: ProcessorTime,
  plan: Plan,
  running: Running,
): string[] {
  const faults: string[] = [];
  if (result.requests === 0) faults.push('no request was answered');
  if (result.wrong > 0) faults.push(`wrong answers (${result.firstWrong})`);
  if (result.unfinished > 0) faults.push('requests without an answer');
  const other = result.cpu / result.seconds + upstream.total / 1e6 / result.seconds;
  const tested = spent.total / 1e6 / result.seconds;
  if (plan.cpus !== undefined && running.pids.length > 0 && other > SATURATED && tested < other)
    faults.push('the load generator and the server were the bottleneck');
  return faults;
}
