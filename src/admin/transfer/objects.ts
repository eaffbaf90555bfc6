/** Servers, virtual servers and changes of items of an import. */
import { isDeepStrictEqual } from 'node:util';
import { seesInApi } from '../../auth/authorize.ts';
import type { Permission } from '../../auth/permissions.ts';
import { canonicalEntry, joinSecrets, separateSecrets, type Entry } from '../../config/entry-secrets.ts';
import type { ItemKind, ItemOverride } from '../../config/registration.ts';
import type { GatewayError } from '../../shared/errors.ts';
import { newRowId } from '../../store/row-id.ts';
import type { StoreWriter } from '../../store/store.ts';
import { itemContent, itemNoun, virtualServerContent, virtualServerReference } from '../audited.ts';
import { MASK } from '../contract/gateways.ts';
import type { Transfer } from '../contract/transfer.ts';
import { checkDraft, unmasked } from '../gateways/draft.ts';
import { auditOf, permissionFor, permissionForRecord, referenceTo } from '../gateways/known.ts';
import { refuseMovedSecrets } from '../gateways/moved-secrets.ts';
import { withQueryApart } from '../gateways/url-query.ts';
import { refuseTaken } from '../gateways/registration.ts';
import { invalidInput } from '../http/problem.ts';
import { visibleServers } from '../known-servers.ts';
import { isNeutral, keyOf } from '../present-item.ts';
import { accessWith, below, checkAccess, teamIds, verb, type Plan } from './plan.ts';

export async function planGateways(plan: Plan): Promise<void> {
  const { call, document } = plan;
  const { store, stored, runtime } = call.context;
  const teams = await teamIds(store);
  for (const [index, wanted] of document.gateways.entries()) {
    const before = await store.gatewayByName(wanted.name);
    const pointer = `/gateways/${index}`;
    const entry = withQueryApart(canonicalEntry(wanted.entry));
    const about = { description: wanted.description ?? undefined, tags: wanted.tags, enabled: wanted.enabled };
    const made: { fields?: ReturnType<typeof separateSecrets> } = {};
    await plan.add({
      kind: 'gateway',
      name: wanted.name,
      pointer,
      before: before && {
        isKnown: seesInApi(call.principal, before.access),
        isSame: isDeepStrictEqual(
          { entry: withMasksLifted(entry, before.secrets), access: accessWith(teams, wanted), ...about },
          {
            entry: joinSecrets(before),
            access: before.access,
            description: before.description,
            tags: before.tags,
            enabled: before.enabled,
          },
        ),
      },
      async check() {
        const permission = permissionFor(entry['type'] === 'http' ? 'http' : 'container');
        await checkAccess(plan, wanted, permission, before?.access);
        if (before !== undefined) call.need(permissionForRecord(before), before.access);
        refuseTaken(wanted.name, call);
        const whole = await below('/entry', () => {
          const next = unmasked(entry, before?.secrets ?? {});
          if (before !== undefined) refuseMovedSecrets(joinSecrets(before), next, entry);
          return next;
        });
        const draft = {
          id: before?.id ?? newRowId(),
          name: wanted.name,
          entry: whole,
          access: accessWith(teams, wanted),
          ...about,
        };
        await below('/entry', () => checkDraft(draft, stored, runtime().config));
        made.fields = separateSecrets(whole);
      },
      async apply(tx) {
        if (made.fields === undefined) throw new Error('a server is imported that was never checked');
        const fields = { ...made.fields, ...about, access: accessWith(await teamIds(tx), wanted) };
        const isReached =
          before?.state === 'active' && isDeepStrictEqual(joinSecrets(before), joinSecrets(made.fields));
        // Nobody waits for it here: it is reached like after a start.
        const state = isReached ? 'active' : 'pending';
        const record =
          before === undefined
            ? await tx.insertGateway({ name: wanted.name, ...fields, state, leaseUntil: undefined })
            : await tx.updateGateway(before.id, before.version, { ...fields, state });
        const object = referenceTo(record);
        return [{ ...verb('gateway', before), object, before: before && auditOf(before), after: auditOf(record) }];
      },
    });
  }
}

export async function planVirtualServers(plan: Plan): Promise<void> {
  const { call, document } = plan;
  const { store } = call.context;
  const teams = await teamIds(store);
  const present = new Map((await store.virtualServers()).map((server) => [server.name, server]));
  const visible = await visibleServers(call);
  for (const [index, wanted] of document.servers.entries()) {
    const before = present.get(wanted.name);
    const about = {
      description: wanted.description ?? undefined,
      tags: wanted.tags,
      items: wanted.items,
      enabled: wanted.enabled,
    };
    const shown = (before?.items ?? []).filter(({ server }) => visible.has(server));
    const hidden = (before?.items ?? []).filter(({ server }) => !visible.has(server));
    await plan.add({
      kind: 'server',
      name: wanted.name,
      pointer: `/servers/${index}`,
      before: before && {
        isKnown: seesInApi(call.principal, before.access),
        isSame: isDeepStrictEqual(
          { ...about, access: accessWith(teams, wanted) },
          {
            description: before.description,
            tags: before.tags,
            items: shown.map(({ server, kind, key }) => ({ server, kind, key })),
            enabled: before.enabled,
            access: before.access,
          },
        ),
      },
      async check() {
        await checkAccess(plan, wanted, 'servers.write', before?.access);
        for (const [place, { server }] of wanted.items.entries()) {
          if (!visible.has(server) && !document.gateways.some(({ name }) => name === server))
            throw noSuchServer(server, `/items/${place}/server`);
        }
      },
      async apply(tx) {
        // What the caller does not see stays as it was: he could not have written it down.
        const items = [...wanted.items, ...hidden];
        const fields = { name: wanted.name, ...about, items, access: accessWith(await teamIds(tx), wanted) };
        const record =
          before === undefined
            ? await tx.insertVirtualServer(fields)
            : await tx.updateVirtualServer(before.id, before.version, fields);
        return [
          {
            ...verb('server', before),
            object: virtualServerReference(record),
            before: before && virtualServerContent(before),
            after: virtualServerContent(record),
          },
        ];
      },
    });
  }
}

/** With the secrets that are there in the place of masks, to compare it. */
function withMasksLifted(entry: Entry, secrets: Readonly<Record<string, string>>): Entry {
  const separated = separateSecrets(entry);
  const lifted = Object.entries(separated.secrets).map(([pointer, value]) => [
    pointer,
    value === MASK ? (secrets[pointer] ?? MASK) : value,
  ]);
  return joinSecrets({ ...separated, secrets: Object.fromEntries(lifted) as Record<string, string> });
}

const PERMISSION: Readonly<Record<ItemKind, Permission>> = {
  tool: 'tools.write',
  resource: 'resources.write',
  'resource-template': 'resources.write',
  prompt: 'prompts.write',
};

export async function planItems(plan: Plan): Promise<void> {
  const { call, document } = plan;
  const ids = new Map<string, Promise<ReadonlyMap<string, string>>>();
  /** Of what the server has listed, read once. */
  const itemIds = (tx: StoreWriter, server: string): Promise<ReadonlyMap<string, string>> => {
    const known = ids.get(server) ?? readItemIds(tx, server);
    ids.set(server, known);
    return known;
  };
  const present = new Map((await call.context.store.overrides()).map((override) => [keyOf(override), override]));
  const servers = await visibleServers(call);
  for (const [index, wanted] of document.items.entries()) {
    const before = present.get(keyOf(wanted));
    const next = overrideOf(wanted);
    const server = servers.get(wanted.server);
    // One that is there and hidden has been refused with the servers.
    const isKnown = server !== undefined || document.gateways.some(({ name }) => name === wanted.server);
    await plan.add({
      kind: 'item',
      name: `${wanted.server} ${wanted.kind} ${wanted.key}`,
      pointer: `/items/${index}`,
      before: before && { isKnown, isSame: isDeepStrictEqual(overrideOf(before), next) },
      check() {
        if (!isKnown) {
          throw noSuchServer(wanted.server, '/server');
        }
        call.need(PERMISSION[wanted.kind], server?.access);
      },
      async apply(tx) {
        const isNothing = isNeutral(next);
        if (isNothing && before === undefined) return [];
        if (!isNothing) await tx.putOverride(next, before?.version ?? 0);
        else await tx.deleteOverride(next, before?.version);
        const kind = itemNoun(wanted.kind);
        // What was never listed has no id yet.
        const id = (await itemIds(tx, wanted.server)).get(keyOf(wanted)) ?? `${wanted.server}/${wanted.key}`;
        return [
          {
            action: `${kind}.update`,
            object: { kind, id, name: wanted.key },
            before: before && itemContent(before),
            after: isNothing ? undefined : itemContent(next),
          },
        ];
      },
    });
  }
}

async function readItemIds(tx: StoreWriter, server: string): Promise<ReadonlyMap<string, string>> {
  return new Map((await tx.items({ server })).map((item) => [keyOf(item), item.id]));
}

function noSuchServer(name: string, pointer: string): GatewayError {
  const detail = `there is no server "${name}"`;
  return invalidInput([{ pointer, detail, remedy: 'Import it as well, or take this out.' }]);
}

type Wanted = Omit<Transfer['items'][number], 'name' | 'title' | 'description' | 'annotations' | 'tags'> & {
  readonly [K in 'name' | 'title' | 'description']: string | null | undefined;
} & { readonly annotations: Readonly<Record<string, unknown>> | null | undefined; readonly tags: readonly string[] };

function overrideOf({ server, kind, key, enabled, name, title, description, annotations, tags }: Wanted): ItemOverride {
  return {
    server,
    kind,
    key,
    enabled,
    name: name ?? undefined,
    title: title ?? undefined,
    description: description ?? undefined,
    annotations: annotations ?? undefined,
    tags,
  };
}
