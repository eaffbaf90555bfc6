/**
 * Replaces what is running by what the operator has written since: load → validate → build → start what is new → swap →
 * drain what is old. Whatever is wrong leaves the running Runtime as it is.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import type { Config, ServerConfig } from '../config/config.ts';
import type { LoadResult } from '../config/load.ts';
import { formatWarning } from '../config/report.ts';
import { whatMakes } from './build.ts';
import type { CombinedConfig } from './stored-config.ts';

export type ReloadTrigger = 'SIGHUP' | 'POST /reload' | 'changed files' | 'store';

/** A thing beside the Runtime that is renewed with each reload, such as certificates. */
export interface ReloadPart {
  /** For the log. */
  readonly name: string;
  /** Checks and makes everything without touching what is in use. Rejects with what is wrong. */
  prepare(next: Config, options: PrepareOptions): Promise<PreparedPart>;
}

export interface PrepareOptions {
  /** False when only the store has changed: what is in use was not touched, and files need not be read again. */
  readonly readAgain: boolean;
}

export interface PreparedPart {
  /** Puts it to use, and resolves with a line on each thing that is new. Rejects when it had to go back to what was before. */
  commit(): Promise<readonly string[]>;
  /** Ends what was made. */
  discard(): Promise<void>;
}

/** The text of a configuration that can be read again. */
export interface ReloadSource {
  /** File name, for people. */
  readonly name: string;
  /** Files whose change calls for a reload. */
  readonly files: readonly string[];
  read(): Promise<LoadResult>;
}

/** What is added to what the operator wrote. */
export interface ReloadAddition {
  /** Rejects when it cannot be known at present. */
  combine(file: Config): Promise<CombinedConfig>;
  /** What was combined is in use from now on. */
  use(combined: CombinedConfig): void;
  /** False when nothing has changed since. */
  isStale(): Promise<boolean>;
}

export interface ReloadChanges {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly string[];
  /** Go on as they are: no restart, no lost session. */
  readonly kept: readonly string[];
}

export interface ReloadResult {
  readonly ok: boolean;
  readonly trigger: ReloadTrigger;
  /** When it was finished, ISO 8601. */
  readonly at: string;
  readonly ms: number;
  /** Servers by name. */
  readonly servers: ReloadChanges;
  /** What else is new, or worth knowing. */
  readonly notes: readonly string[];
  /** Why everything stays as it was; empty when `ok`. */
  readonly errors: readonly string[];
}

export interface ReloadStatus {
  readonly succeeded: number;
  readonly failed: number;
  /** How often each part has refused what was new, by its name. */
  readonly refusedBy: Readonly<Record<string, number>>;
  /** ISO 8601. */
  readonly lastSuccess: string | undefined;
  readonly last: ReloadResult | undefined;
}

export interface ReloaderOptions {
  /** undefined when the configuration came from stdin: it is never read again. */
  readonly source: ReloadSource | undefined;
  /** What the operator wrote, as the gateway started with it. */
  readonly file: Config;
  /** The store; undefined = there is none. */
  readonly stored: ReloadAddition | undefined;
  readonly parts: readonly ReloadPart[];
  readonly log: Logger;
  /** Called before anything is read. */
  readonly onBegin: () => Promise<void>;
  /** Called when it is over, whatever became of it. Must not throw. */
  readonly onEnd: () => void;
  /** The Config that is in use. */
  readonly current: () => Config;
  /**
   * Builds a Runtime and starts what is new in it. Rejects with what is wrong, and has ended what it had made then.
   * `signal` says that the gateway ends meanwhile.
   */
  readonly build: (next: Config, changes: ReloadChanges, signal: AbortSignal) => Promise<BuiltReload>;
  /** A line for each thing that only a restart can change. */
  readonly refusals: (current: Config, next: Config) => readonly string[];
}

export interface BuiltReload {
  /** Puts it to use; does not wait. */
  swap(): void;
  discard(): Promise<void>;
}

/** Stops a reload. Each line says what is wrong. */
export class ReloadRefused extends Error {
  override readonly name = 'ReloadRefused';
  readonly reasons: readonly string[];

  constructor(reasons: readonly string[]) {
    super(reasons.join('; '));
    this.reasons = reasons;
  }
}

const NO_FILE = 'the configuration came from stdin and cannot be read again; only certificates were';

/** A Config that may be put to use, with what it was made of. */
interface Candidate {
  readonly config: Config;
  readonly file: Config;
  readonly combined: CombinedConfig | undefined;
  readonly notes: readonly string[];
}

export class Reloader {
  readonly #options: ReloaderOptions;
  /** What the operator wrote, as far as it is in use. */
  #file: Config;
  #running: Promise<ReloadResult> | undefined;
  #next: Promise<ReloadResult> | undefined;
  /** Why there is a next one. */
  #nextTrigger: ReloadTrigger = 'store';
  readonly #stopping = new AbortController();
  #status: ReloadStatus = { succeeded: 0, failed: 0, refusedBy: {}, lastSuccess: undefined, last: undefined };

  constructor(options: ReloaderOptions) {
    this.#options = options;
    this.#file = options.file;
  }

  get status(): ReloadStatus {
    return this.#status;
  }

  /**
   * Reloads, and resolves with what became of it; never rejects. A request that comes while a reload runs waits for one
   * more after it, which it shares with all others that came meanwhile: what is read is never older than the request.
   */
  request(trigger: ReloadTrigger): Promise<ReloadResult> {
    if (this.#running === undefined) return this.#run(trigger);
    // Whoever asks for the files gets them read, also when a change of the store has asked before.
    if (this.#next === undefined || trigger !== 'store') this.#nextTrigger = trigger;
    this.#next ??= this.#running.then(() => {
      this.#next = undefined;
      return this.#run(this.#nextTrigger);
    });
    return this.#next;
  }

  /** Refuses what comes from now on, and waits for the reload that runs. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#next;
    await this.#running;
  }

  #run(trigger: ReloadTrigger): Promise<ReloadResult> {
    const running = this.#reload(trigger).finally(() => {
      if (this.#running === running) this.#running = undefined;
    });
    this.#running = running;
    return running;
  }

  async #reload(trigger: ReloadTrigger): Promise<ReloadResult> {
    const startedAt = performance.now();
    const { log } = this.#options;
    if (trigger !== 'store') log.info({ trigger }, 'reloading');
    let servers: ReloadChanges = { added: [], removed: [], changed: [], kept: [] };
    let isNothingNew = false;
    let notes: readonly string[] = [];
    let errors: readonly string[] = [];
    try {
      this.#refuseWhenStopping();
      isNothingNew = trigger === 'store' && (await this.#options.stored?.isStale()) !== true;
      if (!isNothingNew) {
        if (trigger !== 'store') await this.#options.onBegin();
        const current = this.#options.current();
        const next = await this.#nextConfig(trigger);
        servers = changesBetween(current, next.config);
        notes = [...next.notes, ...(await this.#apply(current, next, servers, trigger))];
      }
    } catch (error) {
      errors = reasonsOf(error);
      if (!(error instanceof ReloadRefused)) log.debug({ err: error }, 'what stopped the reload');
    }
    const result: ReloadResult = {
      ok: errors.length === 0,
      trigger,
      at: new Date().toISOString(),
      ms: Math.round((performance.now() - startedAt) * 10) / 10,
      servers,
      notes,
      errors,
    };
    if (!isNothingNew) {
      this.#report(result);
      this.#options.onEnd();
    }
    return result;
  }

  async #nextConfig(trigger: ReloadTrigger): Promise<Candidate> {
    const { file, notes } = await this.#nextFile(trigger);
    const combined = await this.#options.stored?.combine(file);
    return { config: combined?.config ?? file, file, combined, notes };
  }

  async #nextFile(trigger: ReloadTrigger): Promise<Pick<Candidate, 'file' | 'notes'>> {
    const { source } = this.#options;
    if (trigger === 'store') return { file: this.#file, notes: [] };
    if (source === undefined) return { file: this.#file, notes: [NO_FILE] };
    const result = await source.read();
    const notes = result.warnings.map((warning) => formatWarning(warning, source.name));
    if (result.ok) return { file: result.config, notes };
    throw new ReloadRefused(result.errors.map((error) => formatWarning(error, source.name)));
  }

  /** Everything is made before anything is put to use, and put to use together. */
  async #apply(
    current: Config,
    { config: next, file, combined }: Candidate,
    changes: ReloadChanges,
    trigger: ReloadTrigger,
  ): Promise<readonly string[]> {
    const refusals = this.#options.refusals(current, next);
    if (refusals.length > 0) throw new ReloadRefused(refusals);
    await using undo = new AsyncDisposableStack();
    const prepared: PreparedPart[] = [];
    for (const part of this.#options.parts) {
      const made = await this.#noting(part, () => part.prepare(next, { readAgain: trigger !== 'store' }));
      undo.defer(() => made.discard());
      prepared.push({ ...made, commit: () => this.#noting(part, () => made.commit()) });
    }
    let built: BuiltReload | undefined;
    if (!isDeepStrictEqual(current, next)) {
      const runtime = await this.#options.build(next, changes, this.#stopping.signal);
      undo.defer(() => runtime.discard());
      built = runtime;
    }
    this.#refuseWhenStopping();
    const notes: string[] = [];
    for (const part of prepared) notes.push(...(await part.commit()));
    built?.swap();
    // Nothing is taken back from here on.
    undo.move();
    this.#file = file;
    if (combined !== undefined) this.#options.stored?.use(combined);
    return notes;
  }

  /** Counts what a part refuses. */
  async #noting<T>(part: ReloadPart, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const { refusedBy } = this.#status;
      this.#status = { ...this.#status, refusedBy: { ...refusedBy, [part.name]: (refusedBy[part.name] ?? 0) + 1 } };
      throw error;
    }
  }

  #refuseWhenStopping(): void {
    if (this.#stopping.signal.aborted) throw new ReloadRefused(['the gateway is shutting down']);
  }

  #report(result: ReloadResult): void {
    const { log } = this.#options;
    const { ok, trigger, ms, servers, notes, errors } = result;
    if (ok && trigger === 'store') {
      // Many may come in a row: each says what is new, and not the names of all that have stayed.
      const kept = servers.kept.length;
      log.info({ trigger, ms, servers: { ...servers, kept }, ...(notes.length === 0 ? {} : { notes }) }, 'reloaded');
      return;
    }
    const { succeeded, failed } = this.#status;
    this.#status = ok
      ? { ...this.#status, succeeded: succeeded + 1, lastSuccess: result.at, last: result }
      : { ...this.#status, failed: failed + 1, last: result };
    if (ok) log.info({ trigger, ms, servers, ...(notes.length === 0 ? {} : { notes }) }, 'reloaded');
    else if (this.#stopping.signal.aborted) log.info({ trigger, errors }, 'nothing is reloaded any more');
    else log.error({ trigger, ms, errors }, 'RELOAD FAILED: everything goes on as it was; correct it and reload again');
  }
}

/** What becomes of each server. A server whose place in the file changed has not changed. */
export function changesBetween(current: Config, next: Config): ReloadChanges {
  const before = new Map(current.servers.map((server) => [server.name, server]));
  const after = new Map(next.servers.map((server) => [server.name, server]));
  const both = [...after.keys()].filter((name) => before.has(name));
  const same = new Set(both.filter((name) => isSame(before.get(name), after.get(name))));
  function isSame(old: ServerConfig | undefined, fresh: ServerConfig | undefined): boolean {
    if (old === undefined || fresh === undefined) return false;
    return isDeepStrictEqual(whatMakes(old, current), whatMakes(fresh, next));
  }
  return {
    added: [...after.keys()].filter((name) => !before.has(name)),
    removed: [...before.keys()].filter((name) => !after.has(name)),
    changed: both.filter((name) => !same.has(name)),
    kept: [...same],
  };
}

function reasonsOf(error: unknown): readonly string[] {
  if (error instanceof ReloadRefused) return error.reasons;
  return [error instanceof Error ? error.message : String(error)];
}
