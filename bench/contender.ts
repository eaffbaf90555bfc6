/** One program under test. */
import type { Native, Proxies } from './native.ts';
import type { Started } from './processes.ts';
import type { Workload } from './workload.ts';

export interface Contender {
  readonly name: string;
  /** What it does with a request, for the table. */
  readonly does: string;
  /** Starts it for a workload. */
  start(context: Context): Promise<Running>;
}

export interface Context {
  readonly workload: Workload;
  readonly native: Native;
  readonly proxies: Proxies;
  readonly upstream: Upstream;
  /** The processor for what is under test; undefined where nothing can be pinned. */
  readonly cpu: number | undefined;
  /** Options for Node that record a profile, where one is wanted. */
  readonly nodeOptions: readonly string[];
}

/** Where the server listens. */
export interface Upstream {
  readonly port: number;
  /** With TLS: what the server demands. */
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string } | undefined;
}

export interface Running extends AsyncDisposable {
  /** The processes to count; empty for one that we did not start. */
  readonly pids: readonly number[];
  readonly host: string;
  readonly port: number;
  readonly path: string;
  /** Name of the tool there. */
  readonly tool: string;
  readonly headers: Readonly<Record<string, string>>;
  /** True when a legacy client must shake hands first. */
  readonly sessions: boolean;
}

/** What most contenders have in common: one program at a port. */
export function listening(
  program: Started,
  port: number,
  more: Partial<Pick<Running, 'path' | 'tool' | 'headers' | 'sessions'>> = {},
): Running {
  return {
    pids: [program.pid],
    host: '127.0.0.1',
    port,
    path: '/mcp',
    tool: 'echo',
    headers: {},
    sessions: false,
    ...more,
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  };
}
