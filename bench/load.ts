/** Runs the load generator against one contender. */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Running } from './contender.ts';
import { PATHS } from './paths.ts';
import { canPin } from './processes.ts';
import { bodyOf, headersOf, LEGACY_VERSION, type Workload } from './workload.ts';

export interface LoadResult {
  readonly requests: number;
  readonly seconds: number;
  /** Answers that were not the right one. */
  readonly wrong: number;
  readonly unfinished: number;
  readonly reconnects: number;
  /** Microseconds; at a fixed rate from the moment in which the request was due. */
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
  /** Seconds of processor time of the generator itself. */
  readonly cpu: number;
  /** What was wrong first; empty when all was right. */
  readonly firstWrong: string;
}

/** What the generator sends: opened sessions and the heads and bodies made from them. */
export interface Requests {
  readonly file: string;
  readonly workload: Workload;
  readonly target: Running;
}

/** Opens as many sessions as there are connections where the contender wants them, and writes the requests down. */
export async function prepare(name: string, workload: Workload, target: Running): Promise<Requests> {
  const needsSessions = workload.era === 'legacy' && target.sessions;
  const heads: string[] = [];
  for (let index = 0; index < workload.connections; index++) {
    const session = needsSessions ? await openSession(target) : undefined;
    const headers = {
      host: `${target.host}:${target.port}`,
      ...target.headers,
      ...headersOf(workload, target.tool, session),
    };
    const lines = Object.entries(headers).map(([header, value]) => `${header}: ${value}\r\n`);
    heads.push(`POST ${target.path} HTTP/1.1\r\n${lines.join('')}`);
  }
  const file = join(PATHS.cache, `requests-${workload.name}-${name}`);
  writeFileSync(file, [bodyOf(workload, target.tool), ...heads].map((part) => `${part}\0`).join(''));
  return { file, workload, target };
}

async function openSession(target: Running): Promise<string | undefined> {
  const post = async (session: string | undefined, message: object): Promise<Response> => {
    const response = await fetch(`http://${target.host}:${target.port}${target.path}`, {
      method: 'POST',
      headers: {
        ...target.headers,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...(session === undefined ? {} : { 'mcp-session-id': session, 'mcp-protocol-version': LEGACY_VERSION }),
      },
      body: JSON.stringify({ jsonrpc: '2.0', ...message }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`the handshake was refused: ${response.status} ${text}`);
    return response;
  };
  const clientInfo = { name: 'bench', version: '1' };
  const params = { protocolVersion: LEGACY_VERSION, capabilities: {}, clientInfo };
  const session = (await post(undefined, { id: 1, method: 'initialize', params })).headers.get('mcp-session-id');
  if (session === null) return undefined;
  await post(session, { method: 'notifications/initialized' });
  return session;
}

export interface LoadOptions {
  readonly program: string;
  readonly seconds: number;
  readonly cpu: number | undefined;
  /** In place of that of the workload. */
  readonly rate?: number;
}

/** Generator and result; what it cost the machine is measured by the caller, around it. */
export async function applyLoad({ file, workload, target }: Requests, options: LoadOptions): Promise<LoadResult> {
  const { answerSize, events, padding, connections, rate } = workload;
  const args = [
    target.host,
    target.port,
    connections,
    options.seconds,
    options.rate ?? rate,
    answerSize,
    events,
    padding,
    file,
  ].map(String);
  const pinned = canPin && options.cpu !== undefined ? ['taskset', '-c', String(options.cpu)] : [];
  const [program = '', ...rest] = [...pinned, options.program, ...args];
  const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
  const output: string[] = [];
  child.stdout.setEncoding('utf8').on('data', (text: string) => output.push(text));
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (status !== 0) throw new Error(`the load generator ended with status ${status}`);
  return JSON.parse(output.join('')) as LoadResult;
}
