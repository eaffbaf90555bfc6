/** `/servers`: virtual servers, which are named selections of items with endpoints of their own. */
import { seesVirtualServerInApi } from '../../auth/authorize.ts';
import type { Permission } from '../../auth/permissions.ts';
import { z } from 'zod';
import type { VirtualServerRecord } from '../../store/store.ts';
import { virtualServerContent as auditOf, virtualServerReference as referenceTo } from '../audited.ts';
import { activateQuery, idSchema, stateInput } from '../contract/common.ts';
import { virtualServerChange, virtualServerInput, virtualServerSchema } from '../contract/virtual-servers.ts';
import type { VirtualServerBody } from '../contract/virtual-servers.ts';
import type { Call } from '../http/call.ts';
import { pageOf, pageQuery, paged } from '../http/page.ts';
import { route, type JsonAnswer, type Route } from '../http/route.ts';
import { accessFrom, admitted, iso, listable } from '../objects.ts';
import { wantedState } from '../wanted-state.ts';
import { resolveSelection, selectionIds, type SelectionIds } from '../selection.ts';
import { virtualServerOfContextForge } from '../compatibility.ts';

const TAG = 'Virtual servers';
const params = { id: idSchema };
const shown = { description: 'The virtual server.', schema: virtualServerSchema };

export const VIRTUAL_SERVER_ROUTES: readonly Route[] = [
  route({
    action: 'server.list',
    method: 'GET',
    path: '/servers',
    requires: { permission: 'servers.read' },
    forConfinedTokens: true,
    tag: TAG,
    summary: 'Lists virtual servers',
    query: {
      ...pageQuery,
      tag: z.string().optional().meta({ description: 'Only those with this tag.' }),
      name: z.string().optional().meta({ description: 'Only the one with this name.' }),
    },
    answers: { 200: { description: 'One page.', schema: pageOf(virtualServerSchema) } },
    async handle(call) {
      const { tag, name } = call.query;
      const all = await call.context.store.virtualServers();
      const visible = listable(call, all, 'servers.read', seesVirtualServerInApi).filter(
        (record) => (tag === undefined || record.tags.includes(tag)) && (name === undefined || record.name === name),
      );
      const page = paged(
        visible,
        ({ id }) => id,
        call.query,
        (record) => record,
      );
      const ids = await selectionIds(call, page.items);
      return { body: { ...page, items: page.items.map((record) => present(call, record, ids)) } };
    },
  }),
  route({
    action: 'server.create',
    method: 'POST',
    path: '/servers',
    requires: { permission: 'servers.write' },
    tag: TAG,
    summary: 'Creates a virtual server',
    description:
      'The body may also be as ContextForge has it: wrapped in `server`, with `associated_tools`, `associated_resources` and `associated_prompts`.',
    body: virtualServerInput,
    normalize: virtualServerOfContextForge,
    answers: { 201: { description: 'The virtual server; `Location` leads to it.', schema: virtualServerSchema } },
    errors: ['already_exists'],
    idempotent: true,
    async handle(call) {
      const { name, description, tags, enabled } = call.body;
      const access = await accessFrom(call, call.body, 'servers.write');
      const items = await resolveSelection(call, call.body, []);
      const ids = await selectionIds(call, [{ items }]);
      const fields = { name, description: description ?? undefined, access, tags, items, enabled };
      const answer = await call.change(
        async (tx) => {
          const record = await tx.insertVirtualServer(fields);
          return { result: record, object: referenceTo(record), before: undefined, after: auditOf(record) };
        },
        (record) => ({
          ...expectedInUse(one(call, record, ids), record),
          status: 201,
          headers: { location: `/v1/servers/${record.id}` },
        }),
      );
      return inUse(call, answer);
    },
  }),
  route({
    action: 'server.read',
    method: 'GET',
    path: '/servers/{id}',
    requires: { permission: 'servers.read' },
    forConfinedTokens: true,
    tag: TAG,
    summary: 'Shows a virtual server',
    params,
    answers: { 200: shown },
    async handle(call) {
      const record = await find(call, call.params.id, 'servers.read');
      return one(call, record, await selectionIds(call, [record]));
    },
  }),
  route({
    action: 'server.update',
    method: 'PUT',
    path: '/servers/{id}',
    requires: { permission: 'servers.write' },
    tag: TAG,
    summary: 'Changes a virtual server',
    description: 'What is left out stays as it is. A list of items replaces the whole list of that kind.',
    params,
    body: virtualServerChange,
    normalize: virtualServerOfContextForge,
    answers: { 200: shown },
    errors: ['already_exists', 'stale_version'],
    async handle(call) {
      const before = await find(call, call.params.id, 'servers.write');
      const { name, description, tags, enabled } = call.body;
      const access = await accessFrom(call, call.body, 'servers.write', before.access);
      const items = await resolveSelection(call, call.body, before.items);
      return change(call, before, {
        ...(name === undefined ? {} : { name }),
        ...(description === undefined ? {} : { description: description ?? undefined }),
        ...(tags === undefined ? {} : { tags }),
        ...(enabled === undefined ? {} : { enabled }),
        access,
        items,
      });
    },
  }),
  route({
    action: 'server.set-state',
    method: 'POST',
    path: '/servers/{id}/state',
    requires: { permission: 'servers.write' },
    tag: TAG,
    summary: 'Switches a virtual server on or off',
    params,
    query: activateQuery,
    body: stateInput,
    optionalBody: true,
    answers: { 200: shown },
    errors: ['stale_version'],
    async handle(call) {
      const before = await find(call, call.params.id, 'servers.write');
      return change(call, before, { enabled: wantedState(call) });
    },
  }),
  route({
    action: 'server.delete',
    method: 'DELETE',
    path: '/servers/{id}',
    requires: { permission: 'servers.write' },
    tag: TAG,
    summary: 'Removes a virtual server',
    params,
    answers: { 204: { description: 'It is gone, and so are its endpoints.' } },
    errors: ['stale_version'],
    async handle(call) {
      const before = await find(call, call.params.id, 'servers.write');
      const answer = await call.change(
        async (tx) => {
          const record = await tx.deleteVirtualServer(before.id, call.ifVersion);
          return { result: record, object: referenceTo(record), before: auditOf(record), after: undefined };
        },
        () => ({ status: 204 }),
      );
      await call.context.apply();
      return answer;
    },
  }),
];

/** By id, or by name. */
async function find(call: Call, key: string, permission: Permission): Promise<VirtualServerRecord> {
  const { store } = call.context;
  const record = (await store.virtualServer(key)) ?? (await store.virtualServers()).find(({ name }) => name === key);
  return admitted(call, record, { kind: 'server', key, permission, sees: seesVirtualServerInApi });
}

async function change(
  call: Call,
  before: VirtualServerRecord,
  fields: Partial<VirtualServerRecord>,
): Promise<JsonAnswer> {
  const ids = await selectionIds(call, [{ items: fields.items ?? before.items }]);
  const answer = await call.change(
    async (tx) => {
      const record = await tx.updateVirtualServer(before.id, call.ifVersion ?? before.version, fields);
      return { result: record, object: referenceTo(record), before: auditOf(before), after: auditOf(record) };
    },
    (record) => expectedInUse(one(call, record, ids), record),
  );
  return inUse(call, answer);
}

/** What a replay will say: an answer is remembered together with the change, and before that is in use. */
function expectedInUse(answer: JsonAnswer, { enabled }: VirtualServerRecord): JsonAnswer {
  return { ...answer, body: { ...(answer.body as VirtualServerBody), inUse: enabled } satisfies VirtualServerBody };
}

/** Puts the change to use, and says so in the answer that was made before. */
async function inUse(call: Call, answer: JsonAnswer): Promise<JsonAnswer> {
  await call.context.apply();
  const body = answer.body as VirtualServerBody;
  return { ...answer, body: { ...body, inUse: isInUse(call, body.id) } satisfies VirtualServerBody };
}

function isInUse({ context }: Pick<Call, 'context'>, id: string): boolean {
  return context.runtime().config.virtualServers.some((server) => server.id === id);
}

function one(call: Call, record: VirtualServerRecord, ids: SelectionIds): JsonAnswer {
  return { body: present(call, record, ids), etag: String(record.version) };
}

function present(call: Call, record: VirtualServerRecord, ids: SelectionIds): VirtualServerBody {
  const { id, items, access } = record;
  const ofKind = (kind: string): { id: string | null; server: string; key: string }[] =>
    items
      .filter((item) => item.kind === kind && ids.isVisible(item.server))
      .map((item) => ({ id: ids.idOf(item) ?? null, server: item.server, key: item.key }));
  return {
    id,
    name: record.name,
    description: record.description ?? null,
    visibility: access.visibility,
    owner: access.owner ?? null,
    team: access.team ?? null,
    tags: [...record.tags],
    enabled: record.enabled,
    inUse: isInUse(call, id),
    tools: ofKind('tool').map(({ key, ...item }) => ({ ...item, name: key })),
    resources: [
      ...ofKind('resource').map(({ key, ...item }) => ({ ...item, uri: key })),
      ...ofKind('resource-template').map(({ key, ...item }) => ({ ...item, uriTemplate: key })),
    ],
    prompts: ofKind('prompt').map(({ key, ...item }) => ({ ...item, name: key })),
    endpoints: { streamableHttp: `/servers/${id}/mcp`, sse: `/servers/${id}/sse` },
    createdAt: iso(record.createdAt),
    updatedAt: iso(record.updatedAt),
  };
}
