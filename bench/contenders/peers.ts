/** Other MCP gateways from npm, and a proxy made of the official SDK's server and client. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { listening, type Contender, type Running, type Setting } from '../contender.ts';
import { plainProgram } from '../machine/built-program.ts';
import { native } from '../machine/native.ts';
import { PATHS } from '../machine/paths.ts';
import { pinned } from '../machine/pinning.ts';
import { freePort, run, start, untilAnswers } from '../machine/processes.ts';
import { processTree } from '../machine/processor-time.ts';

const SDK_PROXY = fileURLToPath(new URL('sdk-proxy-program.ts', import.meta.url));

/** Installed beside their own lock file; the program of one of them. */
function installed(name: string): string {
  const program = join(PATHS.peers, 'node_modules/.bin', name);
  if (!existsSync(program)) run(['npm', 'ci', '--no-audit', '--no-fund', '--ignore-scripts'], { cwd: PATHS.peers });
  return program;
}

export const mcpProxy: Contender = {
  name: 'mcp-proxy',
  does: 'npm mcp-proxy, streamable HTTP to a process on stdio; no authentication',
  prepare: () => void installed('mcp-proxy'),
  start: (setting) =>
    startNode(setting, (port) => [
      installed('mcp-proxy'),
      ...['--host', '127.0.0.1', '--port', String(port), '--server', 'stream', '--', native('upstream'), 'stdio'],
    ]),
};

export const supergateway: Contender = {
  name: 'supergateway',
  does: 'npm supergateway --stateful, streamable HTTP to a process on stdio; no authentication',
  prepare: () => void installed('supergateway'),
  start: (setting) =>
    startNode(setting, (port) => [
      installed('supergateway'),
      ...['--stdio', `${native('upstream')} stdio`, '--outputTransport', 'streamableHttp', '--stateful'],
      ...['--logLevel', 'none', '--port', String(port)],
    ]),
};

export const sdkProxy: Contender = {
  name: 'sdk-proxy',
  does: "the official SDK's server joined to its client, streamable HTTP on both sides; no authentication",
  start: (setting) =>
    startNode(setting, (port) => [plainProgram(SDK_PROXY), String(port), String(setting.upstream.port)]),
};

async function startNode(
  { cpu, pinning, label }: Setting,
  commandOn: (port: number) => readonly string[],
): Promise<Running> {
  const port = await freePort();
  const command = [process.execPath, ...commandOn(port)];
  // One of them ends with its stdin.
  const program = start(command, { name: label, pinned: pinned(cpu, pinning), keepInput: true });
  try {
    await untilAnswers(`http://127.0.0.1:${port}/mcp`);
  } catch (error) {
    await program[Symbol.asyncDispose]();
    throw error;
  }
  return listening(program, port, { sessions: true, behind: () => processTree(program.pid).slice(1) });
}

/** A gateway that somebody else has started; its processor time is unknown. */
export function remote(name: string, url: URL): Contender {
  return {
    name,
    does: `started by somebody else, at ${url.origin}`,
    start: async () => ({
      pids: [],
      host: url.hostname,
      port: Number(url.port === '' ? 80 : url.port),
      path: url.pathname,
      tool: url.searchParams.get('tool') ?? 'echo',
      headers: () => (url.username === '' ? {} : { authorization: `Bearer ${decodeURIComponent(url.username)}` }),
      sessions: true,
      [Symbol.asyncDispose]: async () => undefined,
    }),
  };
}
