/** `/tools`, `/resources` and `/prompts`: what servers list, and what operators change about it. */
import { z } from 'zod';
import type { Permission } from '../../auth/permissions.ts';
import type { ItemKind } from '../../config/registration.ts';
import type { ItemOverride } from '../../config/registration.ts';
import { GatewayError } from '../../shared/errors.ts';
import type { ItemRecord, OverrideRecord, StoreWriter } from '../../store/store.ts';
import { itemContent as auditOf } from '../audited.ts';
import { activateQuery, idSchema, stateInput } from '../contract/common.ts';
import { namedItemChange, promptSchema, resourceChange, resourceSchema, toolSchema } from '../contract/items.ts';
import type { ItemChange } from '../contract/items.ts';
import type { Call } from '../http/call.ts';
import { pageOf, pageQuery, paged } from '../http/page.ts';
import { route, type JsonAnswer, type Route } from '../http/route.ts';
import { visibleServers, type KnownServer } from '../known-servers.ts';
import { noSuchObject } from '../objects.ts';
import { isNeutral, keyOf, presentItem } from '../present-item.ts';
import { wantedState } from '../wanted-state.ts';

interface Family {
  readonly plural: 'tools' | 'resources' | 'prompts';
  readonly singular: 'tool' | 'resource' | 'prompt';
  readonly kinds: readonly ItemKind[];
  readonly schema: z.ZodType;
  readonly change: z.ZodType<ItemChange>;
}

const FAMILIES: readonly Family[] = [
  { plural: 'tools', singular: 'tool', kinds: ['tool'], schema: toolSchema, change: namedItemChange },
  {
    plural: 'resources',
    singular: 'resource',
    kinds: ['resource', 'resource-template'],
    schema: resourceSchema,
    change: resourceChange,
  },
  { plural: 'prompts', singular: 'prompt', kinds: ['prompt'], schema: promptSchema, change: namedItemChange },
];

const flag = z.enum(['true', 'false']).transform((value) => value === 'true');

export const ITEM_ROUTES: readonly Route[] = FAMILIES.flatMap(routesOf);

function routesOf(family: Family): readonly Route[] {
  const { plural, singular, schema } = family;
  const tag = `${plural.charAt(0).toUpperCase()}${plural.slice(1)}`;
  const [read, write]: [Permission, Permission] = [`${plural}.read`, `${plural}.write`];
  const shown = { description: `The ${singular}.`, schema };
  const params = { id: idSchema.meta({ description: 'Id.' }) };
  return [
    route({
      action: `${singular}.list`,
      method: 'GET',
      path: `/${plural}`,
      requires: { permission: read },
      tag,
      summary: `Lists ${plural} of all servers`,
      description:
        'Also of servers that cannot be reached at present. What a server does not list any more is left out unless `gone=true`.',
      query: {
        ...pageQuery,
        server: z.string().optional().meta({ description: 'Only those of the server with this name.' }),
        tag: z.string().optional().meta({ description: 'Only those with this tag.' }),
        enabled: flag.optional().meta({ description: 'Only those that are enabled, or only those that are not.' }),
        search: z.string().optional().meta({ description: 'Only those with this text in name, title or description.' }),
        gone: flag.default(false).meta({ description: 'Also those that their servers do not list any more.' }),
      },
      answers: { 200: { description: 'One page.', schema: pageOf(schema) } },
      async handle(call) {
        const { server, gone } = call.query;
        const servers = await readableServers(call, read);
        const overrides = await overridesByKey(call);
        const items = (await itemsOf(call, family, server)).filter(
          (item) => servers.has(item.server) && (gone || item.present) && matches(item, overrides, call.query),
        );
        return {
          body: paged(
            items,
            ({ id }) => id,
            call.query,
            (item) => present(call, item, overrides.get(keyOf(item)), servers),
          ),
        };
      },
    }),
    route({
      action: `${singular}.read`,
      method: 'GET',
      path: `/${plural}/{id}`,
      requires: { permission: read },
      tag,
      summary: `Shows a ${singular}`,
      params,
      answers: { 200: shown },
      async handle(call) {
        const found = await find(call, family, call.params.id, read);
        return answer(call, found.item, found.override, found.servers);
      },
    }),
    route({
      action: `${singular}.update`,
      method: 'PUT',
      path: `/${plural}/{id}`,
      requires: { permission: write },
      tag,
      summary: `Renames, describes, annotates, tags, enables or disables a ${singular}`,
      description:
        'What is left out stays as it is; null takes a change back. Clients are told that the list has changed.',
      params,
      body: family.change,
      answers: { 200: shown },
      errors: singular === 'resource' ? ['stale_version'] : ['stale_version', 'already_exists'],
      handle: (call) => change(call, family, call.params.id, write, call.body),
    }),
    route({
      action: `${singular}.set-state`,
      method: 'POST',
      path: `/${plural}/{id}/state`,
      requires: { permission: write },
      tag,
      summary: `Enables or disables a ${singular}`,
      params,
      query: activateQuery,
      body: stateInput,
      optionalBody: true,
      answers: { 200: shown },
      errors: ['stale_version'],
      handle: (call) => change(call, family, call.params.id, write, { enabled: wantedState(call) }),
    }),
  ];
}

async function itemsOf(call: Call, { kinds }: Family, server: string | undefined): Promise<readonly ItemRecord[]> {
  const { store } = call.context;
  const lists = kinds.map((kind) => store.items(server === undefined ? { kind } : { kind, server }));
  return (await Promise.all(lists)).flat();
}

/** Those whose items the caller may have for this permission. */
async function readableServers(call: Call, permission: Permission): Promise<ReadonlyMap<string, KnownServer>> {
  const servers = await visibleServers(call);
  return new Map([...servers].filter(([, { access }]) => call.may(permission, access)));
}

async function overridesByKey(call: Call): Promise<ReadonlyMap<string, OverrideRecord>> {
  return new Map((await call.context.store.overrides()).map((override) => [keyOf(override), override]));
}

interface Filter {
  readonly tag?: string | undefined;
  readonly enabled?: boolean | undefined;
  readonly search?: string | undefined;
}

function matches(
  item: ItemRecord,
  overrides: ReadonlyMap<string, OverrideRecord>,
  { tag, enabled, search }: Filter,
): boolean {
  const override = overrides.get(keyOf(item));
  if (tag !== undefined && override?.tags.includes(tag) !== true) return false;
  if (enabled !== undefined && (override?.enabled ?? true) !== enabled) return false;
  if (search === undefined) return true;
  const wanted = search.toLowerCase();
  const texts = [item.text, override?.name, override?.title, override?.description];
  return texts.some((text) => text?.toLowerCase().includes(wanted) === true);
}

interface Found {
  readonly item: ItemRecord;
  readonly override: OverrideRecord | undefined;
  readonly servers: ReadonlyMap<string, KnownServer>;
}

async function find(call: Call, { kinds, singular }: Family, id: string, permission: Permission): Promise<Found> {
  const item = await call.context.store.item(id);
  const servers = await visibleServers(call);
  const server = item && servers.get(item.server);
  if (item === undefined || !kinds.includes(item.kind)) throw noSuchObject(singular, id);
  const reference = { kind: singular, id, name: item.key };
  if (server === undefined) throw noSuchObject(singular, id, reference);
  call.need(permission, server.access, reference);
  return { item, override: (await overridesByKey(call)).get(keyOf(item)), servers };
}

async function change(
  call: Call,
  family: Family,
  id: string,
  permission: Permission,
  input: ItemChange,
): Promise<JsonAnswer> {
  const { item, override, servers } = await find(call, family, id, permission);
  const { ifMatch } = call;
  if (ifMatch !== undefined && ifMatch !== tagOf(item, override)) {
    throw new GatewayError('stale_version', `The ${family.singular} has been changed meanwhile. Read it again.`);
  }
  const next: ItemOverride = {
    server: item.server,
    kind: item.kind,
    key: item.key,
    enabled: input.enabled ?? override?.enabled ?? true,
    name: changed(input.name, override?.name),
    title: changed(input.title, override?.title),
    description: changed(input.description, override?.description),
    annotations: changed(input.annotations, override?.annotations),
    tags: input.tags ?? override?.tags ?? [],
  };
  const made = await call.change(
    async (tx) => {
      if (next.name !== undefined && next.name !== override?.name) await refuseTakenName(tx, next);
      const record = await putOrDelete(tx, next, override);
      return {
        result: record,
        object: { kind: family.singular, id, name: item.key },
        before: override && auditOf(override),
        after: record && auditOf(record),
      };
    },
    (record) => answer(call, item, record, servers),
  );
  await call.context.apply();
  return made;
}

/** What was before is checked in the same transaction. undefined when nothing is changed about the item any more. */
async function putOrDelete(
  tx: StoreWriter,
  next: ItemOverride,
  before: OverrideRecord | undefined,
): Promise<OverrideRecord | undefined> {
  if (!isNeutral(next)) return tx.putOverride(next, before?.version ?? 0);
  if (before !== undefined) await tx.deleteOverride(next, before.version);
  return undefined;
}

async function refuseTakenName(tx: StoreWriter, { kind, name }: ItemOverride): Promise<void> {
  const taken = (await tx.overrides()).some((other) => other.kind === kind && other.name === name);
  if (taken) throw new GatewayError('already_exists', `Another ${kind} was given the name "${name ?? ''}" before.`);
}

function changed<T>(input: T | null | undefined, before: T | undefined): T | undefined {
  return input === undefined ? before : (input ?? undefined);
}

function answer(
  call: Call,
  item: ItemRecord,
  override: OverrideRecord | undefined,
  servers: ReadonlyMap<string, KnownServer>,
): JsonAnswer {
  return { body: present(call, item, override, servers), etag: tagOf(item, override), live: true };
}

function present(
  call: Call,
  item: ItemRecord,
  override: OverrideRecord | undefined,
  servers: ReadonlyMap<string, KnownServer>,
): object {
  const server = servers.get(item.server);
  if (server === undefined) throw new Error(`the server "${item.server}" was visible a moment ago`);
  return presentItem(item, override, server, call.context.runtime().config.gateway.naming);
}

/** Both what the server says and what the operator says are part of what is shown. */
function tagOf(item: ItemRecord, override: OverrideRecord | undefined): string {
  return `${item.version}-${override?.version ?? 0}`;
}
