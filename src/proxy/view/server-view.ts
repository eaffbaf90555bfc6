/** What one endpoint shows of one server: which of its items, under which names, and with what operators say of them. */
import type { ItemKind, ItemOverride, ItemReference } from '../../config/registration.ts';
import { renameItem, type Listing, type ListingItem, type ListingKind, type ListingRow } from '../../mcp/listing.ts';
import { renameToolPage, toolPages } from '../../mcp/result-uris.ts';
import type { Names } from '../names.ts';
import { editItem } from './item-edits.ts';

export const ITEM_KINDS = {
  tools: 'tool',
  prompts: 'prompt',
  resources: 'resource',
  resourceTemplates: 'resource-template',
} as const satisfies Readonly<Record<ListingKind, ItemKind>>;

export interface ShownItem {
  /** Name, URI or URI template as clients of the endpoint know it. */
  readonly name: string;
  /** The same as the server knows it. */
  readonly key: string;
  /** The item as clients see it, raw JSON text. */
  readonly text: string;
}

export interface ShownListing {
  readonly items: readonly ShownItem[];
  /** The server's own keys by what clients call them; also of tools that the `tools` list of the server leaves out. */
  readonly keys: ReadonlyMap<string, string>;
  /** The server's own URIs of the pages that its tools name (MCP Apps). */
  readonly pages: ReadonlySet<string>;
}

export interface ServerViewOptions {
  readonly server: string;
  /** The `tools` list of the server; undefined = all. */
  readonly tools: readonly string[] | undefined;
  readonly names: Names;
  /** Overrides of items of this server. */
  readonly overrides: readonly ItemOverride[];
  /** The items of this server that a virtual server selects; undefined = all. */
  readonly selection: readonly ItemReference[] | undefined;
}

/** What holds for the items of one kind. */
interface KindView {
  readonly selected: ReadonlySet<string> | undefined;
  readonly overrides: ReadonlyMap<string, ItemOverride>;
  /** Keys by the names that operators gave, each to one item only. */
  readonly given: ReadonlyMap<string, string>;
}

const NOTHING_SAID: KindView = { selected: undefined, overrides: new Map(), given: new Map() };

export class ServerView {
  readonly server: string;
  /** True when the endpoint shows all items as the server has them, but for names that the endpoint gives. */
  readonly untouched: boolean;
  readonly #names: Names;
  readonly #tools: ReadonlySet<string> | undefined;
  readonly #kinds: Readonly<Record<ItemKind, KindView>>;
  /** Made once for each state of a listing. */
  readonly #shown = new WeakMap<Listing, ShownListing>();

  constructor({ server, tools, names, overrides, selection }: ServerViewOptions) {
    this.server = server;
    this.untouched = overrides.length === 0 && selection === undefined;
    this.#names = names;
    this.#tools = tools && new Set(tools);
    const kind = (of: ItemKind): KindView => (this.untouched ? NOTHING_SAID : kindView(of, overrides, selection));
    this.#kinds = {
      tool: kind('tool'),
      prompt: kind('prompt'),
      resource: kind('resource'),
      'resource-template': kind('resource-template'),
    };
  }

  /** True when the endpoint may show items of this kind. */
  offers(kind: ItemKind): boolean {
    return this.#kinds[kind].selected?.size !== 0;
  }

  /** True when a virtual server says which items of this kind there are. */
  isSelection(kind: ItemKind): boolean {
    return this.#kinds[kind].selected !== undefined;
  }

  /** True when clients may use the item of this key; whether its server lists it is another question. */
  shows(kind: ItemKind, key: string): boolean {
    const { given } = this.#kinds[kind];
    if (!this.#isOpen(kind, key)) return false;
    // A name that an operator has given to one item of the server hides the other that has it by nature.
    const owner = this.#names.mode === 'prefixed' ? undefined : given.get(key);
    if (owner === undefined || owner === key || !this.#isOpen(kind, owner)) return true;
    return this.#givenName(kind, key) !== undefined;
  }

  #isOpen(kind: ItemKind, key: string): boolean {
    const { selected, overrides } = this.#kinds[kind];
    return selected?.has(key) !== false && overrides.get(key)?.enabled !== false;
  }

  /** The name that an operator gave to this item and to no other. */
  #givenName(kind: ItemKind, key: string): string | undefined {
    const { given, overrides } = this.#kinds[kind];
    const name = overrides.get(key)?.name;
    return name !== undefined && given.get(name) === key ? name : undefined;
  }

  /** Keys of this kind that operators have disabled. */
  *disabled(kind: ItemKind): Iterable<string> {
    for (const [key, { enabled }] of this.#kinds[kind].overrides) if (!enabled) yield key;
  }

  /** Keys of this kind that a virtual server selects and that are not disabled. */
  *selected(kind: ItemKind): Iterable<string> {
    for (const key of this.#kinds[kind].selected ?? []) if (this.shows(kind, key)) yield key;
  }

  /** Names that operators gave to tools or prompts that are shown. */
  *givenNames(kind: 'tool' | 'prompt'): Iterable<string> {
    for (const [name, key] of this.#kinds[kind].given) if (this.#isOpen(kind, key)) yield name;
  }

  /**
   * The server's own name for a tool or prompt of an endpoint that adds nothing to names; undefined when there is none
   * by this name. Names that nothing is said of pass: the server knows best what it has.
   */
  ownName(kind: 'tool' | 'prompt', name: string): string | undefined {
    const key = this.#kinds[kind].given.get(name) ?? name;
    return this.shows(kind, key) && (this.#givenName(kind, key) ?? key) === name ? key : undefined;
  }

  /** The listing as the endpoint shows it. */
  show(row: ListingRow, listing: Listing): ShownListing {
    let shown = this.#shown.get(listing);
    if (shown === undefined) {
      shown = this.showItems(row, listing.items);
      this.#shown.set(listing, shown);
    }
    return shown;
  }

  /** The same for items that are no whole listing. */
  showItems(row: ListingRow, items: readonly ListingItem[]): ShownListing {
    const kind = ITEM_KINDS[row.kind];
    const shown: ShownItem[] = [];
    const keys = new Map<string, string>();
    const pages = new Set<string>();
    for (const item of items) {
      const { key } = item;
      if (!this.shows(kind, key)) continue;
      const given = row.key === 'name' ? this.#givenName(kind, key) : undefined;
      const name = given ?? this.#names[row.key === 'name' ? 'name' : 'uri'](this.server, key);
      const holder = keys.get(name);
      if (holder !== undefined && holder !== key) {
        if (given === undefined) continue;
        shown.splice(0, shown.length, ...shown.filter((other) => other.key !== holder));
      }
      keys.set(name, key);
      if (row.kind === 'tools' && this.#tools?.has(key) === false) continue;
      shown.push({ name, key, text: this.#textOf(row, item, name) });
      if (kind === 'tool' && this.isSelection('resource')) for (const page of toolPages(item.text)) pages.add(page);
    }
    return { items: shown, keys, pages };
  }

  #textOf(row: ListingRow, { key, text }: ListingItem, name: string): string {
    const override = this.#kinds[ITEM_KINDS[row.kind]].overrides.get(key);
    let edited = override === undefined ? text : editItem(text, override);
    if (name !== key) edited = renameItem(edited, row, name);
    if (row.kind === 'tools' && this.#names.mode === 'prefixed')
      edited = renameToolPage(edited, (uri) => this.#names.uri(this.server, uri));
    return edited;
  }
}

function kindView(
  kind: ItemKind,
  overrides: readonly ItemOverride[],
  selection: readonly ItemReference[] | undefined,
): KindView {
  const mine = overrides.filter((override) => override.kind === kind);
  const selected = selection?.filter((item) => item.kind === kind).map(({ key }) => key);
  const given = new Map<string, string>();
  if (kind === 'tool' || kind === 'prompt') {
    // The first one keeps a name that was given twice: the other goes on under the name that it had.
    for (const { key, name } of mine) if (name !== undefined && !given.has(name)) given.set(name, key);
  }
  return {
    selected: selected && new Set(selected),
    overrides: new Map(mine.map((override) => [override.key, override])),
    given,
  };
}
