/** Reads what a server lists anew: on an interval, soon after the server says that it has changed, and when somebody asks. */
import type { Logger } from 'pino';
import type { HealthConfig } from '../config/health.ts';
import type { ItemKind } from '../config/registration.ts';
import { LISTINGS, type Listing, type ListingKind, type ListingRow } from '../mcp/listing.ts';
import { compareListings, type Catalogue, type ListingChange } from './catalogue.ts';
import type { Upstream } from './upstream.ts';

/** One item as its server lists it. */
export interface ListedItem {
  readonly kind: ItemKind;
  /** Name, URI or URI template. */
  readonly key: string;
  /** Raw JSON text. */
  readonly text: string;
}

/** What a refresh has found, by kind. */
export type Refreshed = Readonly<Record<ListingKind, ListingChange>>;

export interface RefresherOptions {
  readonly catalogue: Catalogue;
  readonly health: Pick<HealthConfig, 'refreshIntervalMs' | 'jitter' | 'unreachable'>;
  readonly log: Logger;
  /** The conversation to ask; undefined while there is none. */
  readonly present: () => Upstream | undefined;
  /** The conversation to ask, opened when there is none. */
  readonly upstream: () => Promise<Upstream>;
  /** Clients must list these anew. */
  readonly onChanged: (kinds: readonly ListingRow['capability'][]) => void;
  /** Takes everything that the server lists, after each time that all of it was read. */
  readonly onItems: ((items: readonly ListedItem[]) => void) | undefined;
}

const KINDS = {
  tools: 'tool',
  prompts: 'prompt',
  resources: 'resource',
  resourceTemplates: 'resource-template',
} as const satisfies Readonly<Record<ListingKind, ItemKind>>;

/** Changes come in bunches. */
const SETTLE_MS = 1_000;

export class Refresher implements Disposable {
  readonly #options: RefresherOptions;
  #interval: NodeJS.Timeout | undefined;
  #soon: NodeJS.Timeout | undefined;
  #running: Promise<Refreshed> | undefined;

  constructor(options: RefresherOptions) {
    this.#options = options;
  }

  /** A conversation is open. */
  start(): void {
    this.stop();
    if (this.#options.onItems !== undefined) this.#in(0);
    this.#schedule();
  }

  stop(): void {
    clearTimeout(this.#interval);
    clearTimeout(this.#soon);
  }

  [Symbol.dispose](): void {
    this.stop();
  }

  /** The server says that a list has changed. Its clients ask for it anew by themselves; nobody else does. */
  noticed(): void {
    if (this.#options.onItems !== undefined || this.#options.health.unreachable === 'mark') this.#in(SETTLE_MS);
  }

  /**
   * Reads all listings anew. Rejects with the failure of any of them, and nothing is taken for removed then. Whoever asks
   * while it goes on shares the answer.
   */
  refresh(): Promise<Refreshed> {
    this.#running ??= this.#refresh(LISTINGS).finally(() => (this.#running = undefined));
    return this.#running;
  }

  #in(ms: number): void {
    clearTimeout(this.#soon);
    this.#soon = setTimeout(() => void this.#quietly(LISTINGS), ms);
    this.#soon.unref();
  }

  #schedule(): void {
    const { refreshIntervalMs, jitter } = this.#options.health;
    if (refreshIntervalMs === undefined) return;
    this.#interval = setTimeout(
      () => {
        this.#schedule();
        const { catalogue, onItems } = this.#options;
        // What nobody has wanted to know yet need not be known better.
        const rows = onItems === undefined ? LISTINGS.filter((row) => catalogue.last(row) !== undefined) : LISTINGS;
        void this.#quietly(rows);
      },
      refreshIntervalMs * (1 + (Math.random() * 2 - 1) * jitter),
    );
    this.#interval.unref();
  }

  /** Never rejects. */
  async #quietly(rows: readonly ListingRow[]): Promise<void> {
    if (this.#options.present() === undefined || rows.length === 0) return;
    try {
      if (rows.length === LISTINGS.length) await this.refresh();
      else await this.#refresh(rows);
    } catch (error) {
      this.#options.log.info({ err: error }, 'what the server lists could not be read anew; the last listing stays');
    }
  }

  async #refresh(rows: readonly ListingRow[]): Promise<Refreshed> {
    const { catalogue, onChanged, onItems } = this.#options;
    const upstream = await this.#options.upstream();
    const before = new Map(rows.map((row) => [row, catalogue.last(row)]));
    const listings = await Promise.all(rows.map(async (row) => [row, await upstream.renew(row)] as const));
    const changes = listings.map(([row, listing]) => [row, compareListings(before.get(row), listing)] as const);
    const altered = changes.filter(
      ([row, { added, removed, changed }]) => before.get(row) !== undefined && added + removed + changed > 0,
    );
    if (altered.length > 0) onChanged([...new Set(altered.map(([{ capability }]) => capability))]);
    if (rows.length === LISTINGS.length) onItems?.(listings.flatMap(([row, listing]) => itemsOf(row, listing)));
    const nothing: ListingChange = { added: 0, removed: 0, changed: 0, total: 0 };
    const found = { tools: nothing, prompts: nothing, resources: nothing, resourceTemplates: nothing };
    for (const [{ kind }, change] of changes) found[kind] = change;
    return found;
  }
}

function itemsOf({ kind }: ListingRow, { items }: Listing): readonly ListedItem[] {
  return items.map(({ key, text }) => ({ kind: KINDS[kind], key, text }));
}
