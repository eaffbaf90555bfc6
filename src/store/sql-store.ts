/** The store over an engine: one change at a time, each with its line in the audit log, and word of it to whoever listens. */
import type { AuditEntry } from './audit/audit-line.ts';
import { appendLines, lockState, readState, type StoreState } from './audit/audit-log.ts';
import { DenialQueue } from './audit/denial-queue.ts';
import { asStoreError } from './engine/database-error.ts';
import type { Engine, Tx } from './engine/engine.ts';
import type { Vault } from './secrets/vault.ts';
import { finished, Refusal } from './finished-work.ts';
import { SqlReader } from './sql-reader.ts';
import { SqlWriter } from './sql-writer.ts';
import {
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

/** Each of them has a caller that waits. */
const MAX_QUEUED = 1_000;
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
  readonly #listeners = new Set<(revision: number) => void>();
  readonly #reachListeners = new Set<(failure: StoreError | undefined) => void>();
  readonly #sweep: NodeJS.Timeout;
  readonly #stopWatching: () => void;
  /** The newest revision that listeners know of. */
  #announced: number;
  /** Changes stand in line behind this. */
  #tail: Promise<unknown> = Promise.resolve();
  #queued = 0;
  #looking = false;
  /** Somebody has asked after the present look had begun. */
  #lookAgain = false;
  #closed = false;
  #reached = true;

  private constructor(engine: Engine, vault: Vault, state: StoreState) {
    super(engine.read, vault);
    this.#engine = engine;
    this.#vault = vault;
    this.#announced = state.revision;
    this.#stopWatching = engine.watch(() => void this.#look());
    // A database that is away now is looked at again later.
    this.#sweep = setInterval(() => void this.#endLeases().catch(() => undefined), SWEEP_INTERVAL_MS).unref();
  }

  /** The schema must be there. Rejects with a StoreError when the keys are not those of the store. */
  static async open(engine: Engine, vault: Vault): Promise<SqlStore> {
    const before = await readState(engine.read);
    // Only a new store is written to: one on a full disk can still be started with.
    const state = before.keyId === undefined ? await SqlStore.#nameKey(engine, vault) : before;
    await vault.require(keyOf(state));
    const store = new SqlStore(engine, vault, state);
    // What cannot be written now does not keep the gateway from starting with what is there.
    await store.#endLeases().catch(() => undefined);
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
    await this.#alone(async () => this.#engine.transact(async (tx) => touchTokens(tx, uses)));
  }

  async syncItems(server: string, items: readonly SeenItem[]): Promise<void> {
    // Most listings are as they were, and need no transaction.
    const changes = await this.run(async () => compareItems(this.#engine.read, server, items));
    if (changes === undefined) return;
    await this.#alone(async () =>
      this.#engine.transact(async (tx) => {
        await lockState(tx);
        const current = await compareItems(tx, server, items);
        if (current !== undefined) await applyItems(tx, server, current);
      }),
    );
  }

  async revision(): Promise<number> {
    return this.run(async () => (await readState(this.#engine.read)).revision);
  }

  onReach(listener: (failure: StoreError | undefined) => void): () => void {
    this.#reachListeners.add(listener);
    return () => this.#reachListeners.delete(listener);
  }

  onChange(listener: (revision: number) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  noticed(revision: number): void {
    this.#tell(revision);
  }

  /** Lets what was begun end; everything after is refused. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#sweep);
    this.#stopWatching();
    await this.#denials.settled();
    await this.#tail;
    await this.#engine[Symbol.asyncDispose]();
  }

  async #changeWith<T>(intent: ChangeIntent, work: (tx: Tx, state: StoreState) => Promise<Changed<T>>): Promise<T> {
    const { result, revision } = await this.#alone(async () =>
      this.#engine.transact(async (tx) => {
        const state = await lockState(tx);
        const changed = await work(tx, state);
        const revised = state.revision + 1;
        await appendLines(tx, state, [doneEntry(intent, changed)], revised);
        await this.#engine.announce(tx, revised);
        return { result: changed.result, revision: revised };
      }),
    );
    this.#tell(revision);
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
    if (this.#queued >= MAX_QUEUED)
      throw new StoreError('unavailable', 'Too many changes wait for the store; nothing was changed. Try again.');
    this.#queued += 1;
    const before = this.#tail;
    const mine = Promise.withResolvers<void>();
    this.#tail = mine.promise;
    await before;
    try {
      return await work();
    } catch (error) {
      throw error instanceof Refusal ? error.reason : asStoreError(error);
    } finally {
      this.#queued -= 1;
      mine.resolve();
    }
  }

  #refuseWhenClosed(): void {
    if (this.#closed) throw new StoreError('unavailable', 'The store is closed.');
  }

  /** Another process may have changed something. */
  async #look(): Promise<void> {
    this.#lookAgain = true;
    if (this.#looking) return;
    this.#looking = true;
    try {
      while (this.#lookAgain && !this.#closed) {
        this.#lookAgain = false;
        this.#tell(await this.revision());
        this.#tellReach(undefined);
      }
    } catch (error) {
      // It is looked at again soon.
      if (!this.#closed) this.#tellReach(asStoreError(error));
    } finally {
      this.#looking = false;
    }
  }

  /** Only turns are told. */
  #tellReach(failure: StoreError | undefined): void {
    const isReached = failure === undefined;
    if (isReached === this.#reached) return;
    this.#reached = isReached;
    for (const listener of this.#reachListeners) listener(failure);
  }

  #tell(revision: number): void {
    if (revision <= this.#announced) return;
    this.#announced = revision;
    // On their own: what goes wrong in one is no failure of the change, which is written.
    for (const listener of this.#listeners) queueMicrotask(() => listener(revision));
  }
}

function keyOf({ keyId }: StoreState): string {
  if (keyId === undefined) throw new StoreError('unavailable', 'The store does not say which key its secrets have.');
  return keyId;
}

function doneEntry<T>({ actor, action }: ChangeIntent, { object, before, after }: Changed<T>): AuditEntry {
  return { at: Date.now(), outcome: 'done', actor, action, object, before, after, reason: undefined };
}
