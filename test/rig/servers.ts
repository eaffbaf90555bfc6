/** Starts fixture MCP servers over HTTP, in this process or as one of their own, on free ports. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { startHttp } from '../fixtures/servers/http-sessions.ts';
import type { RunningHttpFixture } from '../fixtures/servers/http-sessions.ts';
import { fixtureOptions } from '../fixtures/servers/options.ts';
import type { FixtureOptions } from '../fixtures/servers/options.ts';
import { createFixtureState } from '../fixtures/servers/state.ts';
import type { FixtureState } from '../fixtures/servers/state.ts';

const PROGRAM = fileURLToPath(new URL('../fixtures/servers/http.ts', import.meta.url));

/** A fixture in this process: its counters and its faults are at hand. */
export interface HttpFixture extends RunningHttpFixture, AsyncDisposable {
  readonly state: FixtureState;
}

/** Streamable HTTP with sessions at `http://127.0.0.1:<port>/mcp`. Its tool `crash` makes it vanish from the network. */
export async function startHttpFixture(options: Partial<FixtureOptions> = {}): Promise<HttpFixture> {
  return startInProcess('streamable', options);
}

/** Only the HTTP+SSE transport of 2024-11-05, at `http://127.0.0.1:<port>/sse`; POST to that URL is 405. */
export async function startSseFixture(options: Partial<FixtureOptions> = {}): Promise<HttpFixture> {
  return startInProcess('sse', options);
}

async function startInProcess(wire: 'streamable' | 'sse', options: Partial<FixtureOptions>): Promise<HttpFixture> {
  const state = createFixtureState();
  const running = await startHttp(wire, state, fixtureOptions(options));
  state.crash = () => running.vanish();
  return { ...running, state, [Symbol.asyncDispose]: async () => running.close() };
}

/** A fixture as a child process, for tests that kill or stop it (`SIGKILL`, `SIGSTOP`) or must not share its event loop. */
export interface HttpFixtureProcess extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  kill(signal: NodeJS.Signals): void;
}

export async function spawnHttpFixture(
  wire: 'streamable' | 'sse' = 'streamable',
  options: Partial<FixtureOptions> = {},
): Promise<HttpFixtureProcess> {
  const settings = Object.entries(options).map(([field, value]) => `${field}=${String(value)}`);
  const child = spawn(process.execPath, [PROGRAM, wire, ...settings], { stdio: ['ignore', 'pipe', 'ignore'] });
  const exited = once(child, 'exit');
  const lines = createInterface({ input: child.stdout });
  const [url]: unknown[] = await Promise.race([once(lines, 'line'), exited]);
  if (typeof url !== 'string' || child.pid === undefined) throw new Error('the fixture server did not start');
  return {
    url,
    pid: child.pid,
    kill: (signal) => child.kill(signal),
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
