/** The items of a virtual server: what somebody names, as references; and references, as what somebody sees. */
import type { ItemKind, ItemReference } from '../config/registration.ts';
import type { ItemRecord } from '../store/store.ts';
import type { Call } from './http/call.ts';
import { invalidInput, type FieldError } from './http/problem.ts';
import { visibleServers } from './known-servers.ts';
import { keyOf } from './present-item.ts';

type Named = string | { readonly server: string; readonly name: string };
type Located =
  | string
  | { readonly server: string; readonly uri: string }
  | { readonly server: string; readonly uriTemplate: string };

export interface SelectionInput {
  readonly tools?: readonly Named[] | undefined;
  readonly resources?: readonly Located[] | undefined;
  readonly prompts?: readonly Named[] | undefined;
}

const KINDS: Readonly<Record<keyof SelectionInput, readonly ItemKind[]>> = {
  tools: ['tool'],
  resources: ['resource', 'resource-template'],
  prompts: ['prompt'],
};

/**
 * References to what is selected. A list that is left out keeps what `before` has of its kinds, and every list what the
 * caller does not see there: he could not have written it down. Throws `invalid_input`
 * with everything that the caller does not see or that is not there; a server that was never reached may have anything.
 */
export async function resolveSelection(
  call: Call,
  input: SelectionInput,
  before: readonly ItemReference[],
): Promise<readonly ItemReference[]> {
  const servers = await visibleServers(call);
  const errors: FieldError[] = [];
  const listed = new Map<string, readonly ItemRecord[]>();
  const itemsOf = async (server: string): Promise<readonly ItemRecord[]> => {
    const items = listed.get(server) ?? (await call.context.store.items({ server }));
    listed.set(server, items);
    return items;
  };
  const result: ItemReference[] = [];
  for (const field of ['tools', 'resources', 'prompts'] as const) {
    const kinds = KINDS[field];
    const selected = input[field];
    if (selected === undefined) {
      result.push(...before.filter(({ kind }) => kinds.includes(kind)));
      continue;
    }
    for (const [index, entry] of selected.entries()) {
      const pointer = `/${field}/${index}`;
      const reference = typeof entry === 'string' ? await byId(call, entry, kinds) : referenceOf(field, entry);
      if (reference === undefined || !servers.has(reference.server)) {
        errors.push({ pointer, detail: 'there is no such item', remedy: `Take ids from /v1/${field}.` });
        continue;
      }
      const items = await itemsOf(reference.server);
      if (items.length > 0 && !items.some((item) => isSame(item, reference))) {
        const detail = `the server "${reference.server}" does not list it`;
        errors.push({ pointer, detail, remedy: `See /v1/${field}?server=${encodeURIComponent(reference.server)}.` });
        continue;
      }
      if (!result.some((other) => isSame(other, reference))) result.push(reference);
    }
    result.push(...before.filter(({ kind, server }) => kinds.includes(kind) && !servers.has(server)));
  }
  const [first, ...rest] = errors;
  if (first !== undefined) throw invalidInput([first, ...rest]);
  return result;
}

async function byId(call: Call, id: string, kinds: readonly ItemKind[]): Promise<ItemReference | undefined> {
  const item = await call.context.store.item(id);
  if (item === undefined || !kinds.includes(item.kind)) return undefined;
  return { server: item.server, kind: item.kind, key: item.key };
}

function referenceOf(field: keyof SelectionInput, entry: Exclude<Named | Located, string>): ItemReference {
  const { server } = entry;
  if ('name' in entry) return { server, kind: field === 'tools' ? 'tool' : 'prompt', key: entry.name };
  if ('uri' in entry) return { server, kind: 'resource', key: entry.uri };
  return { server, kind: 'resource-template', key: entry.uriTemplate };
}

function isSame(a: ItemReference, b: ItemReference): boolean {
  return a.server === b.server && a.kind === b.kind && a.key === b.key;
}

export interface SelectionIds {
  /** undefined for what its server has never listed. */
  idOf(item: ItemReference): string | undefined;
  /** True when the caller may know of the server. */
  isVisible(server: string): boolean;
}

/** What has to be known to show the items of these virtual servers to the caller. */
export async function selectionIds(
  call: Call,
  virtualServers: readonly { readonly items: readonly ItemReference[] }[],
): Promise<SelectionIds> {
  const visible = await visibleServers(call);
  const names = new Set(virtualServers.flatMap(({ items }) => items.map(({ server }) => server)));
  const ids = new Map<string, string>();
  for (const server of names) {
    for (const item of await call.context.store.items({ server })) ids.set(keyOf(item), item.id);
  }
  return { idOf: (item) => ids.get(keyOf(item)), isVisible: (server) => visible.has(server) };
}
