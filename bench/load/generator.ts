/** Runs a load generator against one contender. */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Running } from '../contender.ts';
import { native } from '../machine/native.ts';
import { runFolder } from '../machine/run-folder.ts';
import { expectedListing } from './expected-listing.ts';
import type { LoadWorkload } from './load-workload.ts';
import { bodyOf, headersOf, openSession } from './requests.ts';

export interface LoadResult {
  readonly requests: number;
  readonly seconds: number;
  /** Answers that were not the right one. */
  readonly wrong: number;
  readonly unfinished: number;
  /** How many TLS sessions were resumed. */
  readonly resumed?: number;
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
  readonly workload: LoadWorkload;
  readonly target: Running;
  /** PEM file of the authority of a TLS listener. */
  readonly ca: string | undefined;
}

export interface PrepareOptions {
  /** Names the file. */
  readonly label: string;
  readonly ca: string | undefined;
  /** It has one server that lists everything. */
  readonly together: boolean;
}

/** Opens as many sessions as there are connections where the contender wants them, and writes the requests down. */
export async function prepare(
  workload: LoadWorkload,
  target: Running,
  { label, ca, together }: PrepareOptions,
): Promise<Requests> {
  const { request, era, connections, servers, tools } = workload;
  const needsSessions = era === 'legacy' && target.sessions;
  const isCall = request.kind === 'call';
  const heads: string[] = [];
  for (let index = 0; index < connections; index++) {
    const session = needsSessions ? await openSession(target) : undefined;
    const headers = {
      host: `${ca === undefined ? target.host : 'localhost'}:${target.port}`,
      ...target.headers(index),
      ...headersOf(era, isCall ? 'tools/call' : 'tools/list', isCall ? target.tool : undefined, session),
    };
    const lines = Object.entries(headers).map(([header, value]) => `${header}: ${value}\r\n`);
    heads.push(`POST ${target.path} HTTP/1.1\r\n${lines.join('')}`);
  }
  const expected = isCall ? '' : await expectedListing(target, { servers, tools, together });
  const file = join(runFolder('requests'), label);
  writeFileSync(file, [bodyOf(request, era, target.tool), expected, ...heads].map((part) => `${part}\0`).join(''));
  return { file, workload, target, ca };
}

export interface LoadOptions {
  /** Put before the command: see `pinned`. */
  readonly pinned: readonly string[];
  readonly seconds: number;
  /** In place of that of the workload. */
  readonly rate?: number;
}

/** What it cost the contender is measured by the caller, around it. */
export async function applyLoad(requests: Requests, options: LoadOptions): Promise<LoadResult> {
  const [program = '', ...args] = [...options.pinned, ...commandOf(requests, options)];
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const output: string[] = [];
  child.stdout.setEncoding('utf8').on('data', (text: string) => output.push(text));
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (status !== 0) throw new Error(`the load generator ended with status ${status}`);
  return JSON.parse(output.join('')) as LoadResult;
}

function commandOf({ file, workload, target, ca }: Requests, { seconds, rate }: LoadOptions): readonly string[] {
  const { request, connections, handshake } = workload;
  const { answerSize, events, padding } = request.kind === 'call' ? request : { answerSize: 0, events: 0, padding: 0 };
  const sizes = [answerSize, events, padding].map(String);
  const place = [target.host, String(target.port), String(connections), String(seconds)];
  return handshake === undefined
    ? [native('load'), ...place, String(rate ?? workload.rate), ...sizes, file]
    : [native('handshakes'), ...place, handshake.kind, ca ?? '', ...sizes, file];
}
