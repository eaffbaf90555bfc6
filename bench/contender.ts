/** One program under test. */
import type { Pinning } from './machine/pinning.ts';
import type { Started } from './machine/processes.ts';

export interface Contender {
  readonly name: string;
  /** What it does with a request, for the table. */
  readonly does: string;
  /** It makes one endpoint of many servers; others are given one server that has all of their tools. */
  readonly gathers?: boolean;
  /** It does not compile itself while it runs, and needs no long warm-up. */
  readonly compiled?: boolean;
  /** It is ours, and runs on Node: profiles are taken of it. */
  readonly profiled?: boolean;
  /** Builds or downloads what it needs, so that no start is measured with it. */
  prepare?(): void;
  start(setting: Setting): Promise<Running>;
}

/** What a contender stands in. */
export interface Setting {
  /** Names its log and its profile. */
  readonly label: string;
  readonly upstream: Upstream;
  /** How many servers a gateway has. All of them are the same program, at paths of their own. */
  readonly servers: number;
  /** Its listener speaks TLS with these. */
  readonly listener?: { readonly cert: string; readonly key: string };
  /** The processor for what is under test; undefined = any. */
  readonly cpu: number | undefined;
  readonly pinning: Pinning | undefined;
  /** Options for Node that record a profile, where one is wanted. */
  readonly nodeOptions: readonly string[];
  /** Where its configuration is, for one that reads it again; default: it is given one. */
  readonly configFile?: string;
  /** Most files that it may have open; default: what the bench may have. */
  readonly files?: number;
}

/** Where the server listens. */
export interface Upstream {
  readonly port: number;
  /** With TLS: what the server demands. */
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string };
}

export interface Running extends AsyncDisposable {
  /** The processes to count; empty for one that we did not start. */
  readonly pids: readonly number[];
  /** Processes of the machine that work for it and for others, such as a container engine. */
  readonly helpers?: readonly number[];
  /** Of those to count: what stands in a column of its own. */
  readonly parts?: { readonly command: readonly number[]; readonly server: readonly number[] };
  /** Servers that it has started itself, as they are now. They are not counted, as no server behind a contender is. */
  behind?(): readonly number[];
  readonly host: string;
  readonly port: number;
  readonly path: string;
  /** Name of the tool there. */
  readonly tool: string;
  /** Headers of the requests of a connection, beside those of every request. */
  headers(connection: number): Readonly<Record<string, string>>;
  /** True when a legacy client must shake hands first. */
  readonly sessions: boolean;
  /** Of one that we have started. */
  readonly program?: Started;
}

/** A credential that nobody looks at, as long as a real one. */
export const IGNORED_CREDENTIAL = { authorization: `Bearer ${'x'.repeat(200)}` } as const;

/** What most contenders have in common: one program at a port of 127.0.0.1. */
export function listening(
  program: Started,
  port: number,
  more: Partial<Omit<Running, 'headers' | 'program' | 'port' | typeof Symbol.asyncDispose>> & {
    readonly headers?: Readonly<Record<string, string>>;
  } = {},
): Running {
  const { headers = {}, ...rest } = more;
  return {
    pids: [program.pid],
    host: '127.0.0.1',
    port,
    path: '/mcp',
    tool: 'echo',
    sessions: false,
    ...rest,
    program,
    headers: () => headers,
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  };
}
