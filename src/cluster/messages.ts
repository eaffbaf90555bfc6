/** What owner and workers say to each other over their private channel. Plain data: it is cloned on its way. */
import type { Config, ServerConfig } from '../config/config.ts';
import type { StoreLocation } from '../store/open-store.ts';
import type { MetricCounts } from '../telemetry/metric-counts.ts';
import type { CopiedFile } from './material-copies.ts';

/** A Config in which a server that the receiver knows already is only named. */
export interface ConfigDelta extends Omit<Config, 'servers'> {
  readonly servers: readonly (string | ServerConfig)[];
}

/** What a configuration is, and the files that it names as they were read together. */
export interface Material {
  readonly config: ConfigDelta;
  readonly files: readonly CopiedFile[];
}

/** Where workers pass on what they do not answer themselves. */
export interface Door {
  /** Path of the Unix socket. */
  readonly path: string;
  /** Shown first on each connection: nobody else has it. */
  readonly key: string;
}

export interface Start extends Material {
  /** Keys of session tickets; undefined without TLS. */
  readonly tickets: Uint8Array | undefined;
  /** What is made with it is the same in all processes: seals of values that clients carry, subjects of principals. */
  readonly secret: Uint8Array;
  readonly door: Door;
  /** As the owner has bound it. */
  readonly address: { readonly address: string; readonly port: number; readonly family: string };
  readonly store: StoreLocation | undefined;
  readonly version: string;
  readonly log: { readonly level: string; readonly directory: string | undefined };
}

/** What the owner asks, and what it is answered, by kind. */
export interface Questions {
  start: { readonly ask: Start; readonly answer: undefined };
  /** Binds the port; connections come from now on. */
  listen: { readonly ask: undefined; readonly answer: undefined };
  /** Makes everything for what comes next and touches nothing that is in use. The answer says what is wrong. */
  prepare: { readonly ask: Prepare; readonly answer: readonly string[] };
  commit: { readonly ask: { readonly tickets: Uint8Array | undefined }; readonly answer: undefined };
  discard: { readonly ask: undefined; readonly answer: undefined };
  counts: { readonly ask: undefined; readonly answer: WorkerCounts };
  /** Begins nothing new. Answers when nothing is in flight, or the time is over: true for the former. */
  drain: { readonly ask: { readonly timeoutMs: number }; readonly answer: boolean };
  /** Lets go of everything; the worker ends after its answer. */
  end: { readonly ask: undefined; readonly answer: undefined };
}

export interface Prepare extends Material {
  /** As in the Reloader. */
  readonly readAgain: boolean;
}

export interface WorkerCounts {
  readonly requestsInFlight: number;
  readonly metrics: MetricCounts;
}

/** What the owner says without waiting for an answer. */
export type Notice =
  | { readonly notice: 'log level'; readonly level: string; readonly server: string | undefined }
  /** The store has this revision: what was looked up before must be looked up again. */
  | { readonly notice: 'revision'; readonly revision: number };

export type QuestionKind = keyof Questions;
