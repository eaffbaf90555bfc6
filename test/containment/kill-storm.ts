/** Many calls over several container servers while one of them is killed again and again. */
import { run } from '../../scripts/setup/run.ts';
import { rawClient } from '../e2e/raw-client.ts';
import { startGateway } from '../rig/gateway.ts';
import { busyboxImage } from '../rig/images.ts';
import { type Leftovers, trackLeftovers } from '../rig/leftovers.ts';
import { TINY_SERVER } from './tiny-server.ts';

export interface KillStorm {
  readonly kills: number;
  /** Calls to the servers that were not killed. */
  readonly calls: number;
  readonly failed: number;
  /** Answers of the server that was killed: results, errors. */
  readonly victimAnswers: number;
  readonly victimErrors: number;
  /** For each kill: from it to the last error of the calls that it broke, in ms. */
  readonly errorAfterMs: readonly number[];
  /** For each kill: from it to the result of the first quick call that was begun after it and answered, in ms. */
  readonly backAfterMs: readonly number[];
  /** From the first kill to the last, in ms. */
  readonly spanMs: number;
  readonly left: Leftovers;
}

export async function killStorm(options: {
  readonly calls: number;
  readonly servers: number;
  readonly kills: number;
  readonly everyMs: number;
}): Promise<KillStorm> {
  const image = await busyboxImage();
  const names = Array.from({ length: options.servers }, (_, index) => `box${index}`);
  const entry = { container: image, entrypoint: 'sh', entrypointArgs: ['-c', SLOW_SERVER] };
  const gateway = await startGateway({
    config: { mcpServers: Object.fromEntries(names.map((name) => [name, entry])) },
    args: ['--log-level', 'warn'],
  });
  const left = await trackLeftovers(gateway);
  try {
    const state = { stop: false, calls: 0, failed: 0, victimAnswers: 0, victimErrors: 0 };
    const kills: number[] = [];
    const broken: { readonly from: number; readonly to: number }[] = [];
    /** When the victim answered a quick call, and when that call was begun. */
    const signs: { readonly from: number; readonly to: number }[] = [];
    const caller = async (name: string): Promise<void> => {
      const client = await rawClient(gateway.url(name), gateway.authorization);
      while (!state.stop) {
        const from = performance.now();
        const { answer } = await client.request('tools/call', { name: 'hi', arguments: {} });
        const isGood = answer.result !== undefined;
        if (name !== names[0]) {
          state.calls += 1;
          if (!isGood) state.failed += 1;
        } else if (isGood) {
          state.victimAnswers += 1;
        } else {
          state.victimErrors += 1;
          broken.push({ from, to: performance.now() });
          // A client that is told "not available, tried again in 0.2 s" does not ask a hundred times until then.
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
      }
    };
    const callers = Array.from({ length: options.calls }, (_, index) => caller(names[index % names.length] ?? ''));
    const prober = probe(gateway, names[0] ?? '', state, signs);
    const isBack = (): boolean => (signs.at(-1)?.from ?? 0) > (kills.at(-1) ?? 0);
    await until(() => isBack() && state.victimAnswers > options.calls / options.servers);
    for (let kill = 0; kill < options.kills; kill += 1) {
      // One a second; one that takes longer to come back is killed as soon as it is back.
      const due = (kills.at(-1) ?? 0) + options.everyMs;
      await until(() => isBack() && performance.now() >= due - FINDING_MS);
      const pid = await processOf(gateway.pid, names[0] ?? '');
      if (pid === undefined) break;
      await until(() => performance.now() >= due);
      // The process itself: the engine's command would take a tenth of a second to get to it.
      kills.push(performance.now());
      process.kill(pid, 'SIGKILL');
    }
    await until(isBack);
    state.stop = true;
    await Promise.all([...callers, prober]);
    await gateway.stop();
    return {
      kills: kills.length,
      calls: state.calls,
      failed: state.failed,
      victimAnswers: state.victimAnswers,
      victimErrors: state.victimErrors,
      errorAfterMs: kills.map((kill) =>
        Math.max(0, ...broken.filter(({ from, to }) => from < kill && to > kill).map(({ to }) => to - kill)),
      ),
      backAfterMs: kills.map((kill) => (signs.find(({ from }) => from > kill)?.to ?? Number.NaN) - kill),
      spanMs: (kills.at(-1) ?? 0) - (kills[0] ?? 0),
      left: await left(),
    };
  } finally {
    await gateway.stop();
  }
}

/** Two processes for each call: with shorter ones the shells, and not the gateway, would keep two cores busy. */
export const WORK_SECONDS = 2;

/** Works that long on each call, on all calls at once, so that every kill meets calls that are in flight; on `quick` it does not. */
const SLOW_SERVER = TINY_SERVER.replace(
  /(\*'"method":"tools\/call"'\*\) )(.*);;/,
  (_match, pattern: string, answer: string) =>
    `*'"name":"quick"'*) ${answer};;\n    ${pattern}{ sleep ${WORK_SECONDS}; ${answer}; } & ;;`,
).replace('{"name":"hi",', '{"name":"quick","inputSchema":{"type":"object"}},{"name":"hi",');

/** So long before a kill is due its process is looked up. */
const FINDING_MS = 200;
const PROBE_INTERVAL_MS = 25;

/** Asks the victim again and again for something that is no work, and notes when it answers. */
async function probe(
  gateway: { url(server: string): string; readonly authorization: string },
  server: string,
  state: { readonly stop: boolean },
  signs: { readonly from: number; readonly to: number }[],
): Promise<void> {
  const client = await rawClient(gateway.url(server), gateway.authorization);
  while (!state.stop) {
    const from = performance.now();
    const { answer } = await client.request('tools/call', { name: 'quick', arguments: {} });
    if (answer.result !== undefined) signs.push({ from, to: performance.now() });
    await new Promise((resolve) => setTimeout(resolve, PROBE_INTERVAL_MS));
  }
}

/** The first process of the container of a server, as the host sees it. */
async function processOf(owner: number, server: string): Promise<number | undefined> {
  const filters = [`label=gatehouse.owner=${owner}`, `label=gatehouse.server=${server}`];
  const listed = await run('docker', ['ps', '--quiet', ...filters.flatMap((filter) => ['--filter', filter])]);
  const [id = ''] = listed.stdout.trim().split('\n');
  if (id === '') return undefined;
  const pid = Number((await run('docker', ['inspect', '--format', '{{.State.Pid}}', id])).stdout.trim());
  return pid > 0 ? pid : undefined;
}

async function until(look: () => boolean): Promise<void> {
  for (let turn = 0; turn < 12_000 && !look(); turn += 1) await new Promise((resolve) => setTimeout(resolve, 10));
}
