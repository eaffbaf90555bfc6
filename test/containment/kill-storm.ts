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
  /** For each kill: from it to the next result, in ms; half a second of it is the server's own work. */
  readonly backAfterMs: readonly number[];
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
    const results: number[] = [];
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
          results.push(performance.now());
        } else {
          state.victimErrors += 1;
          broken.push({ from, to: performance.now() });
          // A client that is told "not available, tried again in 0.2 s" does not ask a hundred times until then.
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
      }
    };
    const callers = Array.from({ length: options.calls }, (_, index) => caller(names[index % names.length] ?? ''));
    await until(() => results.length > options.calls / options.servers);
    for (let kill = 0; kill < options.kills; kill += 1) {
      const begun = performance.now();
      const isBack = (results.at(-1) ?? 0) > (kills.at(-1) ?? 0) + SETTLED_MS;
      const pid = !isBack ? undefined : await processOf(gateway.pid, names[0] ?? '');
      if (pid !== undefined) {
        // The process itself: the engine's command would take a tenth of a second to get to it.
        kills.push(performance.now());
        process.kill(pid, 'SIGKILL');
      }
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, options.everyMs - (performance.now() - begun))));
    }
    const last = kills.at(-1) ?? 0;
    await until(() => (results.at(-1) ?? 0) > last);
    state.stop = true;
    await Promise.all(callers);
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
      backAfterMs: kills.map((kill) => (results.find((result) => result > kill + SETTLED_MS) ?? Number.NaN) - kill),
      left: await left(),
    };
  } finally {
    await gateway.stop();
  }
}

/** Works for half a second on each call, on all calls at once, so that every kill meets calls that are in flight. */
const SLOW_SERVER = TINY_SERVER.replace(
  /(\*'"method":"tools\/call"'\*\) )(.*);;/,
  (_match, pattern: string, answer: string) => `${pattern}{ sleep 0.5; ${answer}; } & ;;`,
);

/** Answers that were on their way when the server was killed do not say that it is back. */
const SETTLED_MS = 100;

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
  for (let turn = 0; turn < 3000 && !look(); turn += 1) await new Promise((resolve) => setTimeout(resolve, 10));
}
