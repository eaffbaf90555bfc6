/** `gatehouse serve` with an HTTPS listener, as a process whose log goes to a file, with what the proofs ask of it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, closeSync } from 'node:fs';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Agent, fetch, type RequestInit, type Response } from 'undici';
import { inheritedEnvironment } from '../rig/gateway-process.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
export const AGENT_ID = 'test-agent-0123456789abcdef';
const POLL_MS = 5;

type Json = Readonly<Record<string, unknown>>;

export interface TlsGatewayOptions {
  /** `mcpServers` and, under `gateway`, at least `tls`. */
  readonly config: { readonly mcpServers: Json; readonly gateway: Json };
  /** Trusted for the listener. */
  readonly ca: string;
  readonly port?: number;
  readonly args?: readonly string[];
  /** Client certificate for requests of `request`. */
  readonly client?: { readonly cert: string; readonly key: string };
}

export interface ReloadRecord {
  readonly ok: boolean;
  readonly ms: number;
  readonly errors: readonly string[];
}

export interface TlsGateway extends AsyncDisposable {
  readonly pid: number;
  readonly port: number;
  /** `https://localhost:<port>` */
  readonly origin: string;
  readonly authorization: string;
  readonly configFile: string;
  readonly exited: Promise<number | null>;
  request(path: string, init?: RequestInit): Promise<Response>;
  /** Posts a request without a session and gives its answer. */
  rpc(server: string, method: string, params?: object): Promise<Json>;
  /** Sends SIGHUP and waits for the reload that follows. */
  hangup(): Promise<ReloadRecord>;
  /** All lines of the log so far that are JSON. */
  logs(): Promise<readonly Json[]>;
  /** Resident memory in MiB. */
  memory(): Promise<number>;
}

export async function startTlsGateway(options: TlsGatewayOptions): Promise<TlsGateway> {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-tls-'));
  const configFile = join(folder, 'config.json');
  const logFile = join(folder, 'gateway.log');
  const gateway = { port: options.port ?? 3000, domain: 'localhost', agentId: AGENT_ID, ...options.config.gateway };
  await writeFile(configFile, JSON.stringify({ ...options.config, gateway }));
  const log = openSync(logFile, 'a');
  const listen = `127.0.0.1:${options.port ?? 0}`;
  const args = [MAIN, 'serve', '--config', configFile, '--listen', listen, '--watch', 'off', ...(options.args ?? [])];
  const env = inheritedEnvironment();
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', log], env });
  closeSync(log);
  const exited = once(child, 'exit').then(([status]) => status as number | null);
  let stdout = '';
  const announced = new Promise<number>((resolve, reject) => {
    child.stdout?.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
      const port = /"url": "https?:\/\/[^/"]+:(\d+)\//.exec(stdout)?.[1];
      if (port !== undefined && stdout.endsWith('}\n')) resolve(Number(port));
    });
    void exited.then(async () => reject(new Error(`ended: ${stdout}\n${await readFile(logFile, 'utf8')}`)));
  });
  const dispose = async (agent?: Agent): Promise<void> => {
    child.kill('SIGTERM');
    const force = setTimeout(() => child.kill('SIGKILL'), 60_000);
    await exited;
    clearTimeout(force);
    await agent?.destroy();
    await rm(folder, { recursive: true, force: true });
  };
  let port: number;
  try {
    port = await announced;
  } catch (error) {
    await dispose();
    throw error;
  }
  const ca = await readFile(options.ca);
  const client =
    options.client === undefined
      ? {}
      : { cert: await readFile(options.client.cert), key: await readFile(options.client.key) };
  const agent = new Agent({ connect: { ca, ...client } });
  const origin = `https://localhost:${port}`;
  const authorization = `Bearer ${AGENT_ID}`;
  const pid = child.pid ?? -1;
  const request: TlsGateway['request'] = (path, init = {}) =>
    fetch(`${origin}${path}`, { ...init, dispatcher: agent, headers: { authorization, ...(init.headers as object) } });
  const logs = async (): Promise<readonly Json[]> => jsonLines(await readFile(logFile, 'utf8'));
  const tail = new ReloadTail(logFile);
  return {
    pid,
    port,
    origin,
    authorization,
    configFile,
    exited,
    request,
    logs,
    rpc: async (server, method, params = {}) => {
      const response = await request(`/mcp/${server}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
      });
      return (await response.json()) as Json;
    },
    hangup: async () => {
      const before = (await tail.read()).length;
      process.kill(pid, 'SIGHUP');
      for (;;) {
        const record = (await tail.read())[before];
        if (record !== undefined) return record;
        if (child.exitCode !== null) throw new Error(`ended: ${await readFile(logFile, 'utf8')}`);
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
    },
    memory: async () => {
      const status = await readFile(`/proc/${pid}/status`, 'utf8');
      return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
    },
    [Symbol.asyncDispose]: () => dispose(agent),
  };
}

function jsonLines(text: string): Json[] {
  return text.split('\n').flatMap((line) => {
    if (!line.startsWith('{')) return [];
    try {
      return [JSON.parse(line) as Json];
    } catch {
      // The last line may still be on its way.
      return [];
    }
  });
}

/** The reloads that a growing log tells of; each byte is read once. */
class ReloadTail {
  readonly #file: string;
  readonly #records: ReloadRecord[] = [];
  #offset = 0;
  #rest = '';

  constructor(file: string) {
    this.#file = file;
  }

  async read(): Promise<readonly ReloadRecord[]> {
    await using handle = await open(this.#file);
    const { size } = await handle.stat();
    const { buffer, bytesRead } = await handle.read(
      Buffer.alloc(size - this.#offset),
      0,
      size - this.#offset,
      this.#offset,
    );
    this.#offset += bytesRead;
    const lines = (this.#rest + buffer.toString('utf8', 0, bytesRead)).split('\n');
    this.#rest = lines.pop() ?? '';
    const telling = lines.filter((line) => line.includes('"reloaded"') || line.includes('RELOAD FAILED'));
    for (const { msg, ms, errors } of jsonLines(telling.join('\n'))) {
      this.#records.push({ ok: msg === 'reloaded', ms: Number(ms), errors: (errors as string[] | undefined) ?? [] });
    }
    return this.#records;
  }
}
