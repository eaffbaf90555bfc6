/** Starts `gatehouse serve` with a configuration, as an operator would, and waits until it serves. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runMain } from './gateway-process.ts';
import type { GatewayProcess } from './gateway-process.ts';

/** The agent id in configurations that the rig completes. */
export const AGENT_ID = 'test-agent-0123456789abcdef';

type Json = Readonly<Record<string, unknown>>;

export interface GatewayOptions {
  /**
   * An object goes to `--config-stdin` as JSON; its `gateway` is completed with port, domain and `AGENT_ID` where it
   * does not say otherwise. A string is TOML, written to a file for `--config`.
   */
  readonly config: { readonly mcpServers: Json; readonly gateway?: Json; readonly customSchemas?: Json } | string;
  /** Further arguments of `serve`, such as `--unified`. `--listen 127.0.0.1:0` is added unless it is among them. */
  readonly args?: readonly string[];
  /** Environment on top of PATH and HOME. */
  readonly env?: Readonly<Record<string, string>>;
}

/** The JSON document that the gateway prints when it serves. */
export interface ServeDocument {
  readonly mcpServers: Readonly<
    Record<
      string,
      {
        readonly type: string;
        readonly url: string;
        readonly headers: Readonly<Record<string, string>>;
        readonly tools?: readonly string[];
      }
    >
  >;
}

export interface RunningGateway extends GatewayProcess {
  readonly document: ServeDocument;
  /** `http://127.0.0.1:<port>` */
  readonly origin: string;
  /** The Authorization header that the document gives. */
  readonly authorization: string;
  /** URL of a server's endpoint, or without a name that of the unified endpoint. */
  url(server?: string): string;
}

/** Waits for the document on stdout. Rejects with all output when the process ends before. */
export async function startGateway(options: GatewayOptions): Promise<RunningGateway> {
  return untilServing(await spawnGateway(options));
}

async function untilServing(gateway: GatewayProcess): Promise<RunningGateway> {
  try {
    const document = await gateway.until(({ stdout }) => parseDocument(stdout));
    await workersServe(gateway);
    const [first] = Object.values(document.mcpServers);
    if (first === undefined) throw new Error(`the document names no server: ${gateway.stdout}`);
    const origin = `http://127.0.0.1:${new URL(first.url).port}`;
    return Object.assign(gateway, {
      document,
      origin,
      authorization: first.headers['Authorization'] ?? '',
      url: (server?: string) => (server === undefined ? `${origin}/mcp` : `${origin}/mcp/${server}`),
    });
  } catch (error) {
    await gateway.stop();
    throw error;
  }
}

/** In a run with workers tests begin when a worker takes connections, too. */
async function workersServe(gateway: GatewayProcess): Promise<void> {
  const { MCP_GATEWAY_WORKERS: workers = '1' } = process.env;
  if (workers === '1') return;
  const serves = gateway.until(({ stderr }) => (stderr.includes('a worker serves') ? true : undefined));
  // Where the log does not say it, they are there soon.
  await Promise.race([serves, new Promise((resolve) => setTimeout(resolve, 3_000))]);
}

/** A gateway whose configuration is a file that a test rewrites. */
export interface ReloadableGateway extends RunningGateway {
  /** Path of the JSON file. */
  readonly file: string;
  /** Writes another configuration, completed as at the start, or any text. */
  write(config: Exclude<GatewayOptions['config'], string> | string): Promise<void>;
  /** POST /reload. */
  reload(): Promise<{ readonly status: number; readonly result: ReloadAnswer }>;
}

export interface ReloadAnswer {
  readonly ok: boolean;
  readonly servers: Readonly<Record<'added' | 'removed' | 'changed' | 'kept', readonly string[]>>;
  readonly notes: readonly string[];
  readonly errors: readonly string[];
}

/** Starts it with `--config FILE --watch off` unless `args` say `--watch`. */
export async function startReloadable(
  config: Exclude<GatewayOptions['config'], string>,
  args: readonly string[] = [],
): Promise<ReloadableGateway> {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-test-'));
  const file = join(folder, 'config.json');
  const write: ReloadableGateway['write'] = (next) =>
    writeFile(file, typeof next === 'string' ? next : completed(next));
  await write(config);
  const watch = args.includes('--watch') ? [] : ['--watch', 'off'];
  const listen = args.includes('--listen') ? [] : ['--listen', '127.0.0.1:0'];
  const program = runMain(['serve', '--config', file, ...listen, ...watch, ...args]);
  void program.exited.then(async () => rm(folder, { recursive: true, force: true }));
  const gateway = await untilServing(program);
  return Object.assign(gateway, {
    file,
    write,
    reload: async () => {
      const response = await fetch(`${gateway.origin}/reload`, {
        method: 'POST',
        headers: { authorization: gateway.authorization },
      });
      return { status: response.status, result: (await response.json()) as ReloadAnswer };
    },
  });
}

/** Starts it and does not wait: for starts that are slow or are expected to fail (`await gateway.exited`). */
export async function spawnGateway(options: GatewayOptions): Promise<GatewayProcess> {
  const args = options.args ?? [];
  const rest = args.includes('--listen') ? args : ['--listen', '127.0.0.1:0', ...args];
  if (typeof options.config !== 'string') {
    return runMain(['serve', '--config-stdin', ...rest], completed(options.config), options.env);
  }
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-test-'));
  const file = join(folder, 'config.toml');
  await writeFile(file, options.config);
  const gateway = runMain(['serve', '--config', file, ...rest], '', options.env);
  void gateway.exited.then(async () => rm(folder, { recursive: true, force: true }));
  return gateway;
}

function completed(config: Exclude<GatewayOptions['config'], string>): string {
  const identity = config.gateway?.['agentIds'] === undefined ? { agentId: AGENT_ID } : {};
  const gateway = { port: 3000, domain: 'localhost', ...identity, ...config.gateway };
  return JSON.stringify({ ...config, gateway });
}

/** The document once all of it has been written. */
function parseDocument(stdout: string): ServeDocument | undefined {
  try {
    const document: ServeDocument = JSON.parse(stdout);
    return document;
  } catch {
    return undefined;
  }
}
