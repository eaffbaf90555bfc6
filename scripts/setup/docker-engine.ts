/** Finds out whether a Docker engine answers and, where we may, starts one that we also stop again unless others use it. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { run } from './run.ts';

/** An engine that answers. `dispose` stops it only when this call started it, it need not stay, and no container runs on it. */
export interface DockerEngine extends AsyncDisposable {
  readonly startedHere: boolean;
}

/** Why there is no engine: one sentence for a person. */
export interface NoDocker {
  readonly reason: string;
}

export async function dockerAnswers(): Promise<boolean> {
  const info = await run('docker', ['info', '--format', '{{.ServerVersion}}']);
  return info.status === 0 && info.stdout.trim() !== '';
}

export interface DockerWish {
  /** An engine that is started is left running. Default false. */
  readonly stays?: boolean;
}

/** Uses the running engine, or starts `dockerd` when this is root on a machine that has it. */
export async function ensureDocker({ stays = false }: DockerWish = {}): Promise<DockerEngine | NoDocker> {
  if (await dockerAnswers()) return { startedHere: false, [Symbol.asyncDispose]: async () => {} };
  if ((await run('docker', ['--version'])).status !== 0) return { reason: 'the docker command is not installed' };
  if ((await run('dockerd', ['--version'])).status !== 0) {
    return { reason: 'no Docker engine answers and there is no dockerd here that could be started' };
  }
  if (process.getuid?.() !== 0) return { reason: 'no Docker engine answers and only root may start dockerd' };
  return startDockerd(stays);
}

async function startDockerd(stays: boolean): Promise<DockerEngine | NoDocker> {
  const log = join(await mkdtemp(join(tmpdir(), 'gatehouse-dockerd-')), 'dockerd.log');
  const descriptor = openSync(log, 'a');
  // Own process group and no inherited stdio: Ctrl-C in the terminal is ours to handle, and nobody waits for its pipes.
  const daemon = spawn('dockerd', [], { detached: true, stdio: ['ignore', descriptor, descriptor] });
  closeSync(descriptor);
  daemon.unref();
  // Whoever ends this process in a hurry does not leave the engine behind either.
  const onExit = (): void => void daemon.kill('SIGTERM');
  process.once('exit', onExit);
  const exited = whenExited(daemon);
  for (let attempt = 0; attempt < 120 && !exited.done; attempt += 1) {
    if (await dockerAnswers()) {
      if (!stays) return startedEngine(daemon, exited, log, onExit);
      process.off('exit', onExit);
      return { startedHere: true, [Symbol.asyncDispose]: async () => {} };
    }
    await sleep(500);
  }
  await stop(daemon, exited);
  const lastLine = (await readFile(log, 'utf8')).trim().split('\n').at(-1) ?? '';
  return { reason: `dockerd does not start: ${lastLine} (${log})` };
}

function startedEngine(daemon: ChildProcess, exited: Exit, log: string, onExit: () => void): DockerEngine {
  return {
    startedHere: true,
    [Symbol.asyncDispose]: async () => {
      // Whoever came later and uses it must not lose it.
      if ((await run('docker', ['ps', '--quiet'])).stdout.trim() !== '') {
        process.off('exit', onExit);
        return;
      }
      await stop(daemon, exited);
      await rm(dirname(log), { recursive: true, force: true });
    },
  };
}

interface Exit {
  done: boolean;
  readonly wait: Promise<void>;
}

function whenExited(daemon: ChildProcess): Exit {
  const exit: Exit = {
    done: false,
    wait: new Promise((resolve) => {
      const settle = (): void => {
        exit.done = true;
        resolve();
      };
      daemon.once('exit', settle);
      daemon.once('error', settle);
    }),
  };
  return exit;
}

async function stop(daemon: ChildProcess, exited: Exit): Promise<void> {
  if (exited.done) return;
  daemon.ref();
  daemon.kill('SIGTERM');
  const force = setTimeout(() => daemon.kill('SIGKILL'), 20_000);
  await exited.wait;
  clearTimeout(force);
}
