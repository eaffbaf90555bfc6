/** All workers of an owner: started, started again when they end by themselves, reloaded together, and counted together. */
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { ReloadRefused, type PrepareOptions, type PreparedPart, type ReloadPart } from '../runtime/reload.ts';
import { backoffDelay } from '../shared/backoff.ts';
import { afterEnd, together, type MetricCounts } from '../telemetry/metric-counts.ts';
import { Unanswered } from './channel.ts';
import { deltaOf } from './config-delta.ts';
import type { CopiedFile } from './material-copies.ts';
import type { Notice, Start, WorkerCounts } from './messages.ts';
import { WorkerProcess } from './worker-process.ts';

export interface WorkersOptions {
  /** How many there are beside the owner. */
  readonly count: number;
  readonly log: Logger;
  /** Everything for a worker that starts but its configuration. Called once the port is bound. */
  readonly start: () => Omit<Start, 'config' | 'files'>;
  /** Files with certificates and keys, as they were read last. */
  readonly files: () => readonly CopiedFile[];
  /** Keys of session tickets that are in use. */
  readonly tickets: () => Uint8Array | undefined;
  /** Takes whole lines of a worker's log. */
  readonly onLines: (lines: string) => void;
}

/** What `/status` says of a worker. */
export interface WorkerStatus {
  readonly id: number;
  readonly state: 'starting' | 'serving' | 'waiting';
  readonly pid: number | undefined;
  /** When the state began, ISO 8601. */
  readonly since: string;
  /** How often it has ended without having been told to. */
  readonly exits: number;
  /** How it ended last. */
  readonly lastExit: string | undefined;
}

interface Place {
  readonly id: number;
  worker: WorkerProcess | undefined;
  state: WorkerStatus['state'];
  since: number;
  exits: number;
  lastExit: string | undefined;
  /** Ends in a row of workers that did not live long. */
  failures: number;
  retry: NodeJS.Timeout | undefined;
  /** What its present process has counted, as far as it was asked. */
  counts: MetricCounts | undefined;
}

/** What is in use, for workers that start. */
interface InUse {
  readonly config: Config;
  readonly files: readonly CopiedFile[];
}

const START_TIMEOUT_MS = 30_000;
const PREPARE_TIMEOUT_MS = 5_000;
const COMMIT_TIMEOUT_MS = 5_000;
const COUNTS_TIMEOUT_MS = 1_000;
/** A worker that does not answer for so long is killed: its connections hang, and a new one is there in a moment. */
const SILENCE_MS = 20_000;
const WATCH_INTERVAL_MS = 5_000;
/** One that lived so long ends the count of failures in a row. */
const STABLE_AFTER_MS = 30_000;
const BACKOFF = { firstMs: 200, longestMs: 30_000 };

export class Workers implements ReloadPart, AsyncDisposable {
  readonly name = 'workers';
  readonly #options: WorkersOptions;
  readonly #places: readonly Place[];
  /** What those counted that are gone. */
  #gone: MetricCounts | undefined;
  #inUse: InUse;
  /** There while a reload is between its preparation and its end: no worker may begin to serve then. */
  #transaction: PromiseWithResolvers<void> | undefined;
  /** Levels that were set since the start, for workers that start later. */
  readonly #levels = new Map<string | undefined, Notice>();
  #watch: NodeJS.Timeout | undefined;
  #ending = false;

  constructor(config: Config, options: WorkersOptions) {
    this.#options = options;
    this.#inUse = { config, files: options.files() };
    this.#places = Array.from({ length: options.count }, (_, index) => ({
      id: index + 1,
      worker: undefined,
      state: 'waiting',
      since: Date.now(),
      exits: 0,
      lastExit: undefined,
      failures: 0,
      retry: undefined,
      counts: undefined,
    }));
  }

  get status(): readonly WorkerStatus[] {
    return this.#places.map(({ id, state, worker, since, exits, lastExit }) => ({
      id,
      state,
      pid: worker?.pid,
      since: new Date(since).toISOString(),
      exits,
      lastExit,
    }));
  }

  get exits(): number {
    return this.#places.reduce((total, { exits }) => total + exits, 0);
  }

  /** Starts all of them. Resolves when each of them serves, or has failed for the first time. Never rejects. */
  async start(config: Config): Promise<void> {
    this.#inUse = { config, files: this.#options.files() };
    this.#watch = setInterval(() => void this.counts(SILENCE_MS), WATCH_INTERVAL_MS).unref();
    await Promise.all(this.#places.map((place) => this.#begin(place)));
  }

  /** Tells all of them, and those that start later where it matters to them. */
  notice(notice: Notice): void {
    if (notice.notice === 'log level') {
      // What is set for everything holds for every server, too.
      if (notice.server === undefined) this.#levels.clear();
      this.#levels.set(notice.server, notice);
    }
    for (const { worker } of this.#places) worker?.notice(notice);
  }

  /** What all of them have counted, also those that are gone; one that does not answer in time counts with what it said last. */
  async counts(timeoutMs = COUNTS_TIMEOUT_MS): Promise<readonly WorkerCounts[]> {
    const present = await Promise.all(
      this.#serving().map(async ({ place, worker }): Promise<WorkerCounts> => {
        try {
          const counts = await worker.ask('counts', undefined, timeoutMs);
          if (place.worker === worker) place.counts = counts.metrics;
          return counts;
        } catch (error) {
          if (timeoutMs === SILENCE_MS && error instanceof Unanswered && error.silent && place.worker === worker) {
            this.#options.log.error({ worker: place.id, pid: worker.pid }, 'a worker does not answer; it is killed');
            worker.kill();
          }
          return { requestsInFlight: 0, metrics: place.counts ?? NOTHING };
        }
      }),
    );
    return this.#gone === undefined ? present : [...present, { requestsInFlight: 0, metrics: this.#gone }];
  }

  /** Has all of them make the next one at the same time. Rejects when one refuses it or does not answer; then none has it. */
  async prepare(next: Config, { readAgain }: PrepareOptions): Promise<PreparedPart> {
    const transaction = Promise.withResolvers<void>();
    this.#transaction = transaction;
    const files = this.#options.files();
    const asked = this.#serving();
    const end = (): void => {
      if (this.#transaction === transaction) this.#transaction = undefined;
      transaction.resolve();
    };
    const discard = async (): Promise<void> => {
      await Promise.allSettled(asked.map(({ worker }) => worker.ask('discard', undefined, COMMIT_TIMEOUT_MS)));
      end();
    };
    const config = deltaOf(next, this.#inUse.config);
    const reasons = await Promise.all(
      asked.map(async ({ place, worker }) => {
        try {
          return await worker.ask('prepare', { config, files, readAgain }, PREPARE_TIMEOUT_MS);
        } catch (error) {
          // One that has ended meanwhile starts with what is in use then.
          return place.worker === worker ? [error instanceof Error ? error.message : String(error)] : [];
        }
      }),
    );
    const refusals = reasons.flatMap((each, index) =>
      each.map((reason) => `worker ${asked[index]?.place.id}: ${reason}`),
    );
    if (refusals.length > 0) {
      // Not waited for: one that does not answer must not hold up the others.
      void discard();
      throw new ReloadRefused(refusals);
    }
    return {
      commit: async () => {
        this.#inUse = { config: next, files };
        await Promise.all(asked.map((each) => this.#commit(each)));
        end();
        return [];
      },
      discard,
    };
  }

  /** Nothing new is begun there. Resolves when nothing is in flight, or the time is over: true for the former. */
  async drain(timeoutMs: number): Promise<boolean> {
    this.#stopStarting();
    const drained = await Promise.all(
      this.#places.map(async ({ worker }) =>
        worker === undefined
          ? true
          : worker.ask('drain', { timeoutMs }, timeoutMs + COMMIT_TIMEOUT_MS).catch(() => true),
      ),
    );
    return drained.every(Boolean);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopStarting();
    await Promise.all(this.#places.map(async ({ worker }) => worker?.end()));
  }

  #stopStarting(): void {
    this.#ending = true;
    clearInterval(this.#watch);
    for (const place of this.#places) clearTimeout(place.retry);
  }

  #serving(): readonly { readonly place: Place; readonly worker: WorkerProcess }[] {
    return this.#places.flatMap((place) =>
      place.worker !== undefined && place.state === 'serving' ? [{ place, worker: place.worker }] : [],
    );
  }

  /** All have agreed: who cannot follow is replaced by one that begins with it. */
  async #commit({ place, worker }: { readonly place: Place; readonly worker: WorkerProcess }): Promise<void> {
    try {
      await worker.ask('commit', { tickets: this.#options.tickets() }, COMMIT_TIMEOUT_MS);
    } catch (error) {
      if (place.worker !== worker) return;
      this.#options.log.error({ err: error, worker: place.id }, 'a worker did not follow a reload; it is replaced');
      worker.kill();
    }
  }

  /** Never rejects. */
  async #begin(place: Place): Promise<void> {
    const { log, onLines } = this.#options;
    let worker: WorkerProcess;
    try {
      worker = new WorkerProcess(onLines);
    } catch (error) {
      this.#failed(place, error instanceof Error ? error.message : String(error));
      return;
    }
    place.worker = worker;
    this.#enter(place, 'starting');
    const over = worker.ended.then(({ how }) => this.#ended(place, worker, how));
    try {
      await this.#bringUp(place, worker);
      log.info({ worker: place.id, pid: worker.pid }, 'a worker serves');
    } catch (error) {
      if (!worker.isEnding && place.worker === worker)
        log.error({ err: error, worker: place.id, pid: worker.pid }, 'a worker did not start');
      worker.kill();
      await over;
    }
  }

  async #bringUp(place: Place, worker: WorkerProcess): Promise<void> {
    let given = this.#inUse;
    const { config, files } = given;
    await worker.ask('start', { ...this.#options.start(), config: deltaOf(config), files }, START_TIMEOUT_MS);
    // What was reloaded meanwhile is handed on before the first connection can come.
    for (;;) {
      await this.#transaction?.promise;
      if (given === this.#inUse) break;
      const { config: next, files: read } = this.#inUse;
      given = this.#inUse;
      const asked = { config: deltaOf(next), files: read, readAgain: true };
      const refusals = await worker.ask('prepare', asked, START_TIMEOUT_MS);
      if (refusals.length > 0) throw new Error(refusals.join('; '));
      await worker.ask('commit', { tickets: this.#options.tickets() }, COMMIT_TIMEOUT_MS);
    }
    this.#enter(place, 'serving');
    for (const notice of this.#levels.values()) worker.notice(notice);
    await worker.ask('listen', undefined, START_TIMEOUT_MS);
  }

  #ended(place: Place, worker: WorkerProcess, how: string): void {
    if (place.worker !== worker) return;
    place.worker = undefined;
    if (place.counts !== undefined) {
      const counted = afterEnd(place.counts);
      this.#gone = this.#gone === undefined ? counted : together([this.#gone, counted]);
      place.counts = undefined;
    }
    if (worker.isEnding || this.#ending) return;
    if (place.state === 'serving' && Date.now() - place.since >= STABLE_AFTER_MS) place.failures = 0;
    this.#failed(place, how);
  }

  #failed(place: Place, how: string): void {
    place.exits++;
    place.lastExit = how;
    const delay = backoffDelay(place.failures, BACKOFF);
    place.failures++;
    this.#enter(place, 'waiting');
    this.#options.log.error(
      { worker: place.id, how, againInMs: Math.round(delay) },
      'a worker has ended; what it was answering has failed, and it is started again',
    );
    if (this.#ending) return;
    place.retry = setTimeout(() => void this.#begin(place), delay);
    place.retry.unref();
  }

  #enter(place: Place, state: Place['state']): void {
    place.state = state;
    place.since = Date.now();
  }
}

/** Of a worker that has not answered yet. */
const NOTHING: MetricCounts = {
  requests: [],
  refused: new Map(),
  denied: new Map(),
  process: {
    cpuSeconds: 0,
    residentBytes: 0,
    startSeconds: 0,
    heapBytes: 0,
    externalBytes: 0,
    utilization: 0,
    lagSeconds: 0,
  },
};
