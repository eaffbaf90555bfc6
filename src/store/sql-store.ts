/** The store over an engine: one change at a time, each with its line in the audit log, and word of it to whoever listens. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { AuditEntry } from './audit/audit-line.ts';
import { appendLines, lockState, readState, type StoreState } from './audit/audit-log.ts';
import { removedLines, resealCheckpoint } from './audit/audit-checkpoint.ts';
import type { AuditLimits, PrunedAudit } from './audit/audit-limits.ts';
import { DenialQueue } from './audit/denial-queue.ts';
import { pruneAudit } from './audit/prune-audit.ts';
import { ChangeNews } from './change-news.ts';
import { ChangeQueue } from './change-queue.ts';
import { asStoreError } from './engine/database-error.ts';
import type { Engine, Tx } from './engine/engine.ts';
import { SCHEMA_VERSION } from './migrations/migrate.ts';
import type { Vault } from './secrets/vault.ts';
import { finished, Refusal } from './finished-work.ts';
import { SqlReader } from './sql-reader.ts';
import { SqlWriter } from './sql-writer.ts';
import { StoreHealth } from './store-health.ts';
import type { StoreMeasures, StoreStatus } from './store-status.ts';
import {
  type Actor,
  type ChangeIntent,
  type Changed,
  type Denial,
  type SeenItem,
  type Store,
  StoreError,
  type StoreWriter,
} from './store.ts';
import { hasExpiredLease, removeExpiredLeases, resealGateways } from './tables/gateways.ts';
import { applyItems, compareItems } from './tables/items.ts';
import { touchTokens } from './tables/tokens.ts';

const SWEEP_INTERVAL_MS = 30_000;

const STORE_ITSELF = { subject: 'gatehouse', user: undefined, requestId: undefined, address: undefined };

/** What is done with the place where the keys are, while nobody else changes the store. Both are told the key in use. */
export interface RekeySteps {
  readonly begin: (keyId: string) => Promise<void>;
  readonly end: (keyId: string) => Promise<void>;
}

export interface Rekeyed {
  /** Ids of keys. */
  readonly from: string;
  readonly to: string;
  /** How many have secrets. */
  readonly gateways: number;
}

export class SqlStore extends SqlReader implements Store {
  readonly #engine: Engine;
  readonly #vault: Vault;
  readonly #denials = new DenialQueue(async (entries) => this.#writeLines(entries));
  readonly #news: ChangeNews;
  readonly #sweep: NodeJS.Timeout;
  readonly #stopWatching: () => void;
  readonly #changes = new ChangeQueue();
  readonly #health: StoreHealth;
  readonly #followers = new Set<(status: StoreStatus, failure: StoreError | undefined) => void>();
  #auditLines: number;
  #size: StoreMeasures['size'];
  #closed = false;
  readonly #closing = new AbortController();

  private constructor(engine: Engine, vault: Vault, state: StoreState) {
    super(engine.read, vault);
    this.#engine = engine;
    this.#vault = vault;
    this.#news = new ChangeNews(state.revision, async () => this.revision());
    this.#auditLines = state.auditLines;
    this.#health = new StoreHealth((failure) => this.#tellStatus(failure));
    this.#stopWatching = engine.watch(() => void this.#news.look());
    this.#sweep = setInterval(() => void this.#sweepUp(), SWEEP_INTERVAL_MS).unref();
  }

  /** The schema must be there. Rejects with a StoreError when the keys are not those of the store. */
  static async open(engine: Engine, vault: Vault): Promise<SqlStore> {
    const before = await readState(engine.read);
    // Only a new store is written to: one on a full disk can still be started with.
    const state = before.keyId === undefined ? await SqlStore.#nameKey(engine, vault) : before;
    await vault.require(keyOf(state));
    const store = new SqlStore(engine, vault, state);
    await store.#sweepUp();
    return store;
  }

  /** Of several processes that start a new store, the first one says which key it has. */
  static async #nameKey(engine: Engine, vault: Vault): Promise<StoreState> {
    return engine.transact(async (tx) => {
      const found = await lockState(tx);
      if (found.keyId !== undefined) return found;
      await tx.updateTable('store_state').set({ key_id: vault.target }).where('id', '=', 1).execute();
      return { ...found, keyId: vault.target };
    });
  }

  get engine(): 'sqlite' | 'postgres' {
    return this.#engine.kind;
  }

  async change<T>(intent: ChangeIntent, work: (tx: StoreWriter) => Promise<Changed<T>>): Promise<T> {
    return this.#changeWith(intent, async (tx, state) => {
      const writer = new SqlWriter(tx, this.#vault, keyOf(state));
      return finished(writer, work);
    });
  }

  /** Id of the key that secrets are sealed with. */
  async keyInUse(): Promise<string> {
    return this.run(async () => keyOf(await readState(this.#engine.read)));
  }

  /** Id of the key that a rekey goes over to. */
  get targetKey(): string {
    return this.#vault.target;
  }

  /** Seals all secrets with the first key, as the keys are once `steps.begin` has been waited for. */
  async rekey(intent: ChangeIntent, steps: RekeySteps): Promise<Rekeyed> {
    const rekeyed = await this.#changeWith(intent, async (tx, state) => {
      const from = keyOf(state);
      await steps.begin(from);
      await this.#vault.reload();
      const to = this.#vault.target;
      const gateways = await resealGateways(tx, this.#vault, to);
      await resealCheckpoint(tx, this.#vault, to);
      await tx.updateTable('store_state').set({ key_id: to }).where('id', '=', 1).execute();
      return {
        result: { from, to, gateways },
        object: { kind: 'store', id: 'key', name: undefined },
        before: { keyId: from },
        after: { keyId: to, gateways },
      };
    });
    await this.#alone(async () => this.#engine.transact(async (tx) => steps.end(keyOf(await lockState(tx)))));
    return rekeyed;
  }

  async recordDenial(denial: Denial): Promise<void> {
    this.#refuseWhenClosed();
    await this.#denials.add(denial);
  }

  async touchTokens(uses: ReadonlyMap<string, number>): Promise<void> {
    if (uses.size === 0) return;
    await this.#alone(async () => this.#engine.transact(async (tx) => touchTokens(tx, uses), 'lazy'));
  }

  async syncItems(server: string, items: readonly SeenItem[]): Promise<void> {
    // Most listings are as they were, and need no transaction; what is new is listed again if it is lost.
    const changes = await this.run(async () => compareItems(this.#engine.read, server, items));
    if (changes === undefined) return;
    await this.#alone(async () =>
      this.#engine.transact(async (tx) => {
        await lockState(tx);
        const current = await compareItems(tx, server, items);
        if (current !== undefined) await applyItems(tx, server, current);
      }, 'lazy'),
    );
  }

  async revision(): Promise<number> {
    return this.run(async () => (await readState(this.#engine.read)).revision);
  }

  async pruneAudit(limits: AuditLimits, actor: Actor, until?: AbortSignal): Promise<PrunedAudit | undefined> {
    const signal = AbortSignal.any([this.#closing.signal, ...(until === undefined ? [] : [until])]);
    const work = {
      db: this.#engine.read,
      vault: this.#vault,
      transact: async <T>(part: (tx: Tx) => Promise<T>) => this.#alone(async () => this.#engine.transact(part)),
      pause: async (ms: number) => sleep(ms, undefined, { signal }),
      now: Date.now(),
    };
    return this.run(async () => pruneAudit(work, limits, actor));
  }

  status(): StoreStatus {
    const { engine } = this;
    return { engine, schema: SCHEMA_VERSION, revision: this.#news.newest, ...this.#health.state };
  }

  measures(): StoreMeasures {
    return {
      changes: this.#changes.durations,
      changesWaiting: this.#changes.waiting,
      denialsWaiting: this.#denials.waiting,
      denialsLost: this.#denials.lost,
      errors: this.#health.errors,
      auditLines: this.#auditLines,
      size: this.#size,
      connections: this.#engine.connections(),
    };
  }

  onStatus(listener: (status: StoreStatus, failure: StoreError | undefined) => void): () => void {
    this.#followers.add(listener);
    return () => this.#followers.delete(listener);
  }

  onChange(listener: (revision: number) => void): () => void {
    return this.#news.follow(listener);
  }

  noticed(revision: number): void {
    this.#news.tell(revision);
  }

  /** Lets what was begun end; everything after is refused. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#sweep);
    this.#stopWatching();
    this.#news.end();
    this.#closing.abort();
    await this.#denials.settled();
    await this.#changes.settled();
    await this.#engine[Symbol.asyncDispose]();
  }

  async #changeWith<T>(intent: ChangeIntent, work: (tx: Tx, state: StoreState) => Promise<Changed<T>>): Promise<T> {
    const { result, revision } = await this.#alone(async () =>
      this.#engine.transact(async (tx) => {
        const state = await lockState(tx);
        const changed = await work(tx, state);
        const revised = state.revision + 1;
        await appendLines(tx, state, doneEntries(intent, changed), revised);
        await this.#engine.announce(tx, revised);
        return { result: changed.result, revision: revised };
      }),
    );
    this.#news.tell(revision);
    return result;
  }

  async #writeLines(entries: readonly AuditEntry[]): Promise<void> {
    await this.#alone(
      async () =>
        this.#engine.transact(async (tx) => {
          const state = await lockState(tx);
          await appendLines(tx, state, entries, state.revision);
        }),
      'also when closing',
    );
  }

  /** Registrations that died leave a row that nobody was told of; it goes, and the log says so. */
  async #endLeases(): Promise<void> {
    if (!(await hasExpiredLease(this.#engine.read))) return;
    const intent = { actor: STORE_ITSELF, action: 'gateway.expire' };
    await this.#changeWith(intent, async (tx) => {
      const removed = await removeExpiredLeases(tx);
      const [first] = removed;
      return {
        result: undefined,
        object: { kind: 'gateway', id: first?.id ?? '', name: first?.name },
        before: { pending: removed },
        after: undefined,
      };
    });
  }

  /** Runs one after the other what changes something. */
  async #alone<T>(work: () => Promise<T>, when: 'while open' | 'also when closing' = 'while open'): Promise<T> {
    if (when === 'while open') this.#refuseWhenClosed();
    try {
      const done = await this.#changes.run(work);
      this.#health.changed();
      return done;
    } catch (error) {
      const failure = error instanceof Refusal ? error.reason : asStoreError(error);
      if (failure instanceof StoreError) this.#health.failed(failure, 'change');
      throw failure;
    }
  }

  /** Every read outside of transactions goes through here. */
  protected override async run<T>(work: () => Promise<T>): Promise<T> {
    try {
      const found = await super.run(work);
      this.#health.answered();
      return found;
    } catch (error) {
      if (error instanceof StoreError) this.#health.failed(error, 'read');
      throw error;
    }
  }

  #refuseWhenClosed(): void {
    if (this.#closed) throw new StoreError('unavailable', 'The store is closed.');
  }

  /** What has to be done now and then. Never rejects: a database that is away, or a full disk, is looked at again later. */
  async #sweepUp(): Promise<void> {
    try {
      this.#size = await this.#engine.size();
      const [{ auditLines }, removed] = [await readState(this.#engine.read), await removedLines(this.#engine.read)];
      this.#auditLines = auditLines - removed;
      await this.#endLeases();
    } catch {
      // Whoever asks for something is told.
    }
  }

  #tellStatus(failure: StoreError | undefined): void {
    const status = this.status();
    for (const listener of this.#followers) queueMicrotask(() => listener(status, failure));
  }
}

function keyOf({ keyId }: StoreState): string {
  if (keyId === undefined) throw new StoreError('unavailable', 'The store does not say which key its secrets have.');
  return keyId;
}

function doneEntries<T>(
  { actor, action }: ChangeIntent,
  { parts = [], ...changed }: Changed<T>,
): readonly AuditEntry[] {
  const at = Date.now();
  return [{ action, ...changed }, ...parts].map(({ action: what, object, before, after }): AuditEntry => ({
    at,
    outcome: 'done',
    actor,
    action: what,
    object,
    before,
    after,
    reason: undefined,
  }));
}
