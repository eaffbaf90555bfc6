/** A gateway of two processes, and clients whose connections reach both of them. */
import { readFile } from 'node:fs/promises';
import { Client } from 'undici';
import { vi } from 'vitest';
import type { GatewayProcess } from '../../rig/gateway-process.ts';
import { MODERN } from '../modern-raw-client.ts';

export const TWO = ['--workers', '2'] as const;
/** So many connections that all of them on one side is as likely as to be struck by lightning, twice. */
const CONNECTIONS = 24;

export interface Told {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

export interface WorkerEntry {
  readonly id: number;
  readonly state: string;
  readonly pid: number;
  readonly exits: number;
  readonly lastExit?: string;
}

export interface Serving {
  readonly origin: string;
  readonly authorization: string;
}

/** Keeps its connection from one request to the next. */
export class Line implements AsyncDisposable {
  readonly #client: Client;
  readonly #authorization: string;

  constructor(
    { origin, authorization }: Serving,
    tls?: { readonly ca: Buffer; readonly cert?: Buffer; readonly key?: Buffer },
  ) {
    this.#client = new Client(origin, { pipelining: 1, ...(tls && { connect: tls }) });
    this.#authorization = authorization;
  }

  async send(
    method: 'GET' | 'POST' | 'PUT' | 'DELETE',
    path: string,
    headers: Readonly<Record<string, string>> = {},
    body?: string,
    signal?: AbortSignal,
  ): Promise<Told> {
    const answer = await this.#client.request({
      method,
      path,
      headers: { ...(this.#authorization !== '' && { authorization: this.#authorization }), ...headers },
      body: body ?? null,
      ...(signal && { signal }),
    });
    return { status: answer.statusCode, headers: answer.headers, text: await answer.body.text() };
  }

  /** A request of the modern era. */
  async modern(
    path: string,
    method: string,
    params: Readonly<Record<string, unknown>> = {},
    signal?: AbortSignal,
  ): Promise<Told> {
    const { name } = params;
    const _meta = {
      'io.modelcontextprotocol/protocolVersion': MODERN,
      'io.modelcontextprotocol/clientCapabilities': {},
    };
    const headers = {
      ...JSON_HEADERS,
      'mcp-protocol-version': MODERN,
      'mcp-method': method,
      ...(typeof name === 'string' ? { 'mcp-name': name } : {}),
    };
    return this.send(
      'POST',
      path,
      headers,
      JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { ...params, _meta } }),
      signal,
    );
  }

  /** A message of the legacy era, in a session or without one. */
  async legacy(path: string, message: object, session?: string): Promise<Told> {
    const headers = { ...JSON_HEADERS, ...(session === undefined ? {} : { 'mcp-session-id': session }) };
    return this.send('POST', path, headers, JSON.stringify({ jsonrpc: '2.0', ...message }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.destroy();
  }
}

const JSON_HEADERS = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };

export interface Lines extends AsyncDisposable {
  /** Any of them. */
  readonly one: Line;
  readonly another: Line;
  readonly all: readonly Line[];
}

/** Connections that together reach every process. */
export function openLines(serving: Serving, tls?: ConstructorParameters<typeof Line>[1]): Lines {
  const [one, another] = [new Line(serving, tls), new Line(serving, tls)];
  const all = [one, another, ...Array.from({ length: CONNECTIONS - 2 }, () => new Line(serving, tls))];
  return {
    one,
    another,
    all,
    async [Symbol.asyncDispose]() {
      await Promise.all(all.map((line) => line[Symbol.asyncDispose]()));
    },
  };
}

/** Waits until every worker serves, and gives them. */
export async function untilAllServe(line: Line): Promise<readonly WorkerEntry[]> {
  return vi.waitFor(
    async () => {
      const entries = await workersOf(line);
      if (entries.length === 0 || entries.some(({ state }) => state !== 'serving'))
        throw new Error(JSON.stringify(entries));
      return entries;
    },
    { timeout: 60_000, interval: 50 },
  );
}

export async function workersOf(line: Line): Promise<readonly WorkerEntry[]> {
  const { text } = await line.send('GET', '/status');
  const { workers = [] } = JSON.parse(text) as { readonly workers?: readonly WorkerEntry[] };
  return workers;
}

/** The value of a sample in the text of the metrics; 0 when it is not there. */
export async function sampleOf(line: Line, sample: string): Promise<number> {
  const { text } = await line.send('GET', '/metrics');
  const found = text.split('\n').find((each) => each.startsWith(`${sample} `));
  return Number(found?.slice(sample.length) ?? 0);
}

/** True while the process is there and no zombie. */
export async function isAlive(pid: number): Promise<boolean> {
  try {
    return !/^State:\s+Z/m.test(await readFile(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

export async function untilGone(pid: number): Promise<void> {
  await vi.waitFor(
    async () => {
      if (await isAlive(pid)) throw new Error(`process ${pid} still runs`);
    },
    { timeout: 20_000, interval: 50 },
  );
}

/** How many lines of the log have this text. */
export function linesWith(gateway: GatewayProcess, msg: string): number {
  return gateway.logs().filter((line) => line['msg'] === msg).length;
}
