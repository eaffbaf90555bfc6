/** Gatehouse with everything on, in the variants that are compared: credentials, endpoints, servers, flags. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { listening, type Contender, type Running, type Setting } from '../contender.ts';
import { headersOf, requestText } from '../load/requests.ts';
import { builtProgram } from '../machine/built-program.ts';
import { pinned } from '../machine/pinning.ts';
import { run, start, type Started } from '../machine/processes.ts';
import { runFolder } from '../machine/run-folder.ts';
import { containerImage, containerProcesses } from './container.ts';
import { AGENT_ID, configuration, ISSUER, RESOURCE, serversBehind } from './gatehouse-configuration.ts';
import { signedTokens } from './json-web-tokens.ts';

export interface GatehouseVariant {
  readonly name: string;
  readonly does: string;
  /** Further arguments of `serve`. */
  readonly flags?: readonly string[];
  /** Default: the agent id. */
  readonly credential?: 'RS256' | 'ES256' | 'api-token';
  /** Default: that of the first server. */
  readonly endpoint?: 'unified' | 'virtual';
  /** Default: over HTTP. */
  readonly server?: 'container';
  /** Root of another checkout; default: this one. */
  readonly checkout?: string;
}

/** JWTs differ by connection, as those of different users do. */
const TOKENS = 32;

type Headers = Readonly<Record<string, string>>;
type Json = Readonly<Record<string, unknown>>;

export function gatehouse(variant: GatehouseVariant): Contender {
  const { name, does, endpoint } = variant;
  return {
    name,
    does,
    profiled: true,
    gathers: endpoint !== undefined,
    prepare: () => void builtProgram(variant.checkout),
    start: (setting) => startGatehouse(variant, setting),
  };
}

async function startGatehouse(variant: GatehouseVariant, setting: Setting): Promise<Running> {
  const { endpoint, server, credential, checkout, flags = [] } = variant;
  const { label, listener, cpu, pinning, nodeOptions, files, configFile } = setting;
  const main = builtProgram(checkout);
  const command = [process.execPath, ...nodeOptions, main];
  const needsStore = credential === 'api-token' || endpoint === 'virtual';
  const dataDir = join(runFolder('data'), label);
  rmSync(dataDir, { recursive: true, force: true });
  const store = needsStore ? ['--data-dir', dataDir] : [];
  const apiToken = needsStore ? createToken([process.execPath, main], dataDir) : '';
  const tls = listener === undefined ? [] : ['--tls-cert', listener.cert, '--tls-key', listener.key];
  const jwt =
    credential === 'RS256' || credential === 'ES256' ? signedTokens(credential, TOKENS, ISSUER, RESOURCE) : undefined;
  const input = configuration(await serversOf(variant, setting), { publicKey: jwt?.publicKey });
  const source = configFile === undefined ? ['--config-stdin'] : ['--config', configFile, '--watch', 'off'];
  const program = start([...command, 'serve', ...source, '--listen', '127.0.0.1:0', ...store, ...tls, ...flags], {
    name: label,
    pinned: pinned(cpu, pinning),
    ...(configFile === undefined ? { input } : {}),
    ...(files === undefined ? {} : { files }),
  });
  try {
    const url = await program.line(/"url": *"[^"]*:\d+\/mcp\/bench"/);
    const port = Number(/:(\d+)\/mcp/.exec(url)?.[1]);
    const texts = jwt?.tokens ?? [needsStore ? apiToken : AGENT_ID];
    const headersFor = (connection: number): Headers => ({
      authorization: `Bearer ${texts[connection % texts.length] ?? ''}`,
    });
    const path = endpoint === 'virtual' ? await virtualServer(port, headersFor(0)) : PATHS_OF[endpoint ?? 'routed'];
    // Only then it is known which of the containers stays: the era is found out with one of its own.
    if (server === 'container') await callOnce(port, headersFor(0));
    const extra = server === 'container' ? containerProcesses(program.pid, cpu) : undefined;
    const running = listening(program, port, {
      pids: [program.pid, ...(extra?.server ?? [])],
      ...(extra && { helpers: extra.engine, parts: extra }),
      path,
      tool: endpoint === undefined ? 'echo' : 'bench___echo',
      sessions: true,
    });
    return { ...running, headers: headersFor, [Symbol.asyncDispose]: () => endWith(program, dataDir) };
  } catch (error) {
    await endWith(program, dataDir);
    throw error;
  }
}

/** A call as it will be measured opens the conversation that will be used. */
async function callOnce(port: number, headers: Headers): Promise<void> {
  const params = { name: 'echo', arguments: { nonce: '0123456789abcdef', size: 1 } };
  const response = await fetch(`http://127.0.0.1:${port}${PATHS_OF.routed}`, {
    method: 'POST',
    headers: { ...headers, ...headersOf('modern', 'tools/call', 'echo') },
    body: requestText('modern', 'tools/call', params),
  });
  if (!response.ok) throw new Error(`the container does not answer: ${response.status} ${await response.text()}`);
  await response.body?.cancel();
}

const PATHS_OF = { routed: '/mcp/bench', unified: '/mcp' } as const;

async function endWith(program: Started, dataDir: string): Promise<void> {
  await program[Symbol.asyncDispose]();
  rmSync(dataDir, { recursive: true, force: true });
}

async function serversOf({ server }: GatehouseVariant, setting: Setting): Promise<Json> {
  return server === 'container' ? { bench: { container: await containerImage() } } : serversBehind(setting);
}

/** Of a user who may do everything, in a store that is made by it. */
function createToken(command: readonly string[], dataDir: string): string {
  const wish = ['--user', 'bench@example.com', '--role', 'admin'];
  return run([...command, 'token', 'create', '--data-dir', dataDir, ...wish]).trim();
}

/** Makes a virtual server with the tool; its endpoint. */
async function virtualServer(port: number, headers: Headers): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}/servers`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'desk', visibility: 'public', tools: [{ server: 'bench', name: 'echo' }] }),
  });
  if (!response.ok) throw new Error(`no virtual server: ${response.status} ${await response.text()}`);
  return '/servers/desk/mcp';
}
