/** The command that changes the packet filter of this machine: whether it can be used here, and one call of it. */
import { execFile } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import type { Engine } from '../engine-command.ts';

/** Absolute path of `nft`, or one clause that says why the filter cannot be changed from here. */
export type Nft = { readonly command: string } | { readonly missing: string };

export type UsableNft = Extract<Nft, { readonly command: string }>;

/** Never from the PATH of whoever started the gateway: the command runs with the privilege over the network. */
const PLACES = ['/usr/sbin/nft', '/sbin/nft', '/usr/local/sbin/nft', '/usr/bin/nft'];
/** linux/capability.h */
const CAP_NET_ADMIN = 12n;
const DEADLINE_MS = 10_000;
const MAX_OUTPUT_BYTES = 1024 * 1024;

/** Looks without changing anything. The engine matters because the filter has to be that of the machine it runs on. */
export function findNft({ kind, environment }: Pick<Engine, 'kind' | 'environment'>): Nft {
  if (kind !== 'docker') return { missing: `${kind} needs none` };
  if (process.platform !== 'linux') return { missing: 'the gateway does not run on Linux' };
  const place = environment['DOCKER_HOST'];
  if (place !== undefined && place !== '' && !place.startsWith('unix://'))
    return { missing: 'DOCKER_HOST names an engine on another machine' };
  const command = PLACES.find((path) => isExecutable(path));
  if (command === undefined) return { missing: `there is no nft (looked for ${PLACES.join(', ')})` };
  if (!mayChangeNetwork()) return { missing: 'the gateway runs without CAP_NET_ADMIN' };
  return { command };
}

/** Runs one transaction or query: all of it happens or nothing. Resolves with its output; rejects with an Error that says what nft said. */
export function callNft({ command }: UsableNft, args: readonly string[]): Promise<string> {
  const options = {
    cwd: '/',
    env: {},
    timeout: DEADLINE_MS,
    killSignal: 'SIGKILL',
    maxBuffer: MAX_OUTPUT_BYTES,
  } as const;
  return new Promise((resolve, reject) => {
    execFile(command, [...args], options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(stderr.trim().split('\n')[0] || `${command} failed: ${error.code ?? error.signal ?? ''}`));
    });
  });
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The capability of this process as the kernel sees it, which is also handed on to nft when this is root. */
function mayChangeNetwork(): boolean {
  try {
    const set = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    return set !== undefined && ((BigInt(`0x${set}`) >> CAP_NET_ADMIN) & 1n) === 1n;
  } catch {
    return false;
  }
}
