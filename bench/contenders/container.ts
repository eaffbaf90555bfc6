/** The server of the bench in a container: its image, and the processes that work for a container. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { imageFrom } from '../../scripts/setup/node-image.ts';
import { native } from '../machine/native.ts';
import { pinTo } from '../machine/pinning.ts';
import { processTree } from '../machine/processor-time.ts';
import { run } from '../machine/processes.ts';

/** Labels of what a gateway starts, with its process number. */
const OWNER_LABEL = 'gatehouse.owner';
const ENGINE = new Set(['dockerd', 'containerd', 'containerd-shim']);

/** Why no container can be started; undefined when one can. */
export function containersMissing(): string | undefined {
  const { status } = spawnSync('docker', ['info'], { timeout: 20_000 });
  return status === 0 ? undefined : 'no Docker engine answers';
}

/** An image with the server and nothing else; built once. */
export async function containerImage(): Promise<string> {
  const program = native('upstream-static');
  return imageFrom('gatehouse-bench-upstream', [readFileSync(program).toString('base64')], async (folder) => {
    await copyFile(program, join(folder, 'upstream'));
    return 'FROM scratch\nCOPY upstream /upstream\nENTRYPOINT ["/upstream", "stdio", "modern"]\n';
  });
}

export interface ContainerProcesses {
  /** What runs in the containers of this gateway. */
  readonly server: readonly number[];
  /** The engine's commands that carry its streams, which the gateway has started. */
  readonly command: readonly number[];
  /** The engine, which works for all containers of the machine. */
  readonly engine: readonly number[];
}

/** Those of the gateway with this process number. What is in the containers is moved to the processor that is tested. */
export function containerProcesses(gateway: number, cpu: number | undefined): ContainerProcesses {
  const listed = run([
    'docker',
    'ps',
    '--filter',
    `label=${OWNER_LABEL}`,
    '--format',
    `{{.ID}} {{.Label "${OWNER_LABEL}"}}`,
  ]);
  const ids = listed.split('\n').flatMap((line) => {
    const [id = '', owner] = line.split(' ');
    return owner === String(gateway) ? [id] : [];
  });
  if (ids.length === 0) throw new Error('the gateway has no container');
  const server = run(['docker', 'inspect', '--format', '{{.State.Pid}}', ...ids])
    .trim()
    .split('\n')
    .map(Number);
  if (cpu !== undefined) for (const pid of server) pinTo(pid, cpu);
  const command = processTree(gateway).filter((pid) => ['docker', 'podman'].includes(commandName(pid)));
  return { server, command, engine: engineProcesses() };
}

function engineProcesses(): number[] {
  return readdirSync('/proc').flatMap((entry) => {
    return /^\d+$/.test(entry) && ENGINE.has(commandName(Number(entry))) ? [Number(entry)] : [];
  });
}

/** Empty for what has ended. */
function commandName(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return '';
  }
}
