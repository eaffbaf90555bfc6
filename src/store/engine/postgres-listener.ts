/** Hears from PostgreSQL that another process has changed something, on a connection of its own that comes back by itself. */
import pg from 'pg';
import { backoffDelay } from '../../shared/backoff.ts';

/** A pooler of transactions loses notifications: they make it fast, this makes it sure. */
const POLL_INTERVAL_MS = 5_000;
const RECONNECT = { firstMs: 500, longestMs: 30_000 };

export class PostgresListener implements AsyncDisposable {
  static readonly CHANNEL = 'gatehouse_changes';
  readonly #connection: pg.ClientConfig;
  readonly #looks = new Set<() => void>();
  #client: pg.Client | undefined;
  #poll: NodeJS.Timeout | undefined;
  #again: NodeJS.Timeout | undefined;
  #listening = false;
  #failures = 0;
  #closed = false;

  constructor(connection: pg.ClientConfig) {
    this.#connection = connection;
  }

  get isListening(): boolean {
    return this.#listening;
  }

  /** Calls `look` on every notification, and now and then without one. Returns how to end it. */
  watch(look: () => void): () => void {
    this.#looks.add(look);
    if (this.#poll === undefined) {
      this.#poll = setInterval(() => this.#tell(), POLL_INTERVAL_MS).unref();
      void this.#connect();
    }
    return () => this.#looks.delete(look);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    clearInterval(this.#poll);
    clearTimeout(this.#again);
    this.#looks.clear();
    await this.#client?.end().catch(() => undefined);
  }

  async #connect(): Promise<void> {
    const client = new pg.Client(this.#connection);
    this.#client = client;
    client.on('error', () => undefined);
    client.once('end', () => this.#lost(client));
    client.on('notification', () => this.#tell());
    try {
      await client.connect();
      await client.query(`listen ${PostgresListener.CHANNEL}`);
      this.#failures = 0;
      this.#listening = this.#client === client;
      // Something may have changed while nobody listened.
      this.#tell();
    } catch {
      await client.end().catch(() => undefined);
      this.#lost(client);
    }
  }

  #lost(client: pg.Client): void {
    if (this.#closed || this.#client !== client) return;
    this.#client = undefined;
    this.#listening = false;
    this.#failures += 1;
    const delay = backoffDelay(this.#failures, RECONNECT);
    this.#again = setTimeout(() => void this.#connect(), delay).unref();
  }

  #tell(): void {
    for (const look of this.#looks) look();
  }
}
