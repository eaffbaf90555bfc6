/** How long a gateway with many container servers takes to start, and what thousands of short sessions leave behind. */
import { readFile } from 'node:fs/promises';
import { rawClient } from '../e2e/raw-client.ts';
import { startGateway } from '../rig/gateway.ts';
import { busyboxImage } from '../rig/images.ts';
import { type Leftovers, trackLeftovers } from '../rig/leftovers.ts';
import { TINY_SERVER } from './tiny-server.ts';

export interface StartUp {
  readonly servers: number;
  /** From the launch of the program to its document. */
  readonly togetherMs: number;
  /** The same with each server alone; the slowest and the quickest. */
  readonly slowestMs: number;
  readonly quickestMs: number;
  readonly left: Leftovers;
}

async function box(fields: object = {}): Promise<object> {
  return { container: await busyboxImage(), entrypoint: 'sh', entrypointArgs: ['-c', TINY_SERVER], ...fields };
}

/** `alone`: how many single starts are measured to find the slowest. */
export async function startUp(servers: number, alone: number): Promise<StartUp> {
  const entry = await box();
  const measure = async (count: number): Promise<{ ms: number; left: Leftovers }> => {
    const begun = performance.now();
    const mcpServers = Object.fromEntries(Array.from({ length: count }, (_, index) => [`box${index}`, entry]));
    const gateway = await startGateway({
      config: { mcpServers, gateway: { startupTimeout: 120 } },
      args: ['--log-level', 'warn'],
    });
    const ms = performance.now() - begun;
    const left = await trackLeftovers(gateway);
    await gateway.stop();
    return { ms, left: await left() };
  };
  const single: number[] = [];
  for (let turn = 0; turn < alone; turn += 1) single.push((await measure(1)).ms);
  const { ms, left } = await measure(servers);
  return { servers, togetherMs: ms, slowestMs: Math.max(...single), quickestMs: Math.min(...single), left };
}

export interface Churn {
  readonly sessions: number;
  /** Sessions whose client went away while its first call was being worked on. */
  readonly abandoned: number;
  /** Calls that were answered with a result. */
  readonly answered: number;
  /** Resident memory of the gateway in MiB: after the first tenth of the sessions, and after the last. */
  readonly memoryMiB: readonly [number, number];
  readonly left: Leftovers;
}

/** Opens sessions with a container of their own, so many at a time; every third client vanishes in the middle of its call. */
export async function sessionChurn(sessions: number, atOnce: number): Promise<Churn> {
  const gateway = await startGateway({
    config: {
      mcpServers: { box: await box({ isolation: 'session', network: 'none' }) },
      gateway: { startupTimeout: 120, sessionTimeout: '5m' },
    },
    args: ['--log-level', 'error'],
  });
  try {
    const left = await trackLeftovers(gateway);
    const outcome = { abandoned: 0, answered: 0 };
    let next = 0;
    let early = 0;
    const one = async (index: number): Promise<void> => {
      const client = await rawClient(gateway.url('box'), gateway.authorization);
      const headers = { authorization: gateway.authorization, 'mcp-session-id': client.sessionId ?? '' };
      if (index % 3 === 2) {
        const gone = new AbortController();
        const call = fetch(gateway.url('box'), {
          method: 'POST',
          headers: { ...headers, 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
          body: '{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"hi"}}',
          signal: gone.signal,
        }).catch(() => undefined);
        setTimeout(() => gone.abort(), 50 + (index % 7) * 60);
        await call;
        outcome.abandoned += 1;
      } else {
        const { answer } = await client.request('tools/call', { name: 'hi', arguments: {} });
        if (answer.result !== undefined) outcome.answered += 1;
      }
      await fetch(gateway.url('box'), { method: 'DELETE', headers });
    };
    const worker = async (): Promise<void> => {
      while (next < sessions) {
        const index = next++;
        await one(index);
        if (index === Math.floor(sessions / 10)) early = await memoryOf(gateway.pid);
      }
    };
    await Promise.all(Array.from({ length: atOnce }, worker));
    const late = await memoryOf(gateway.pid);
    await gateway.stop();
    return { sessions, ...outcome, memoryMiB: [early, late], left: await left() };
  } finally {
    await gateway.stop();
  }
}

async function memoryOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024);
}
