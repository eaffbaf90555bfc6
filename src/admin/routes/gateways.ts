/** MCP servers: registering, changing, watching and removing them. */
import { z } from 'zod';
import { mayAnywhere } from '../../auth/authorize.ts';
import { unlessAborted } from '../../shared/async.ts';
import { GatewayError } from '../../shared/errors.ts';
import { newRowId } from '../../store/row-id.ts';
import { activateQuery, idSchema, stateInput } from '../contract/common.ts';
import {
  gatewayChange,
  gatewayInput,
  gatewaySchema,
  gatewayTrial,
  type RefreshBody,
  refreshSchema,
  type TrialBody,
  trialSchema,
} from '../contract/gateways.ts';
import { changeGateway, store } from '../gateways/change.ts';
import { gatewayChangeOfContextForge, gatewayOfContextForge } from '../gateways/contextforge.ts';
import { checkDraft, entryOf, unmasked } from '../gateways/draft.ts';
import {
  allKnown,
  auditOf,
  findKnown,
  findOwn,
  permissionFor,
  permissionForRecord,
  present,
  referenceTo,
} from '../gateways/known.ts';
import { register, timeLimit } from '../gateways/registration.ts';
import { countsOf, failureClassOf, prepareTrial, reach } from '../gateways/trial.ts';
import { type Call, forbidden } from '../http/call.ts';
import { pageOf, pageQuery, paged } from '../http/page.ts';
import { type Answer, type Requirement, type Route, route } from '../http/route.ts';
import { listable } from '../objects.ts';
import { wantedState } from '../wanted-state.ts';

const TAG = 'Gateways';
const params = { id: idSchema };
const shown = { description: 'The server.', schema: gatewaySchema };

const writing: Requirement = {
  permission: 'gateways.write',
  otherwise: 'With `gateways.container`, the same for servers that run in containers, and for no others.',
};

export const GATEWAY_ROUTES: readonly Route[] = [
  route({
    action: 'gateway.list',
    method: 'GET',
    path: '/gateways',
    requires: { permission: 'gateways.read' },
    tag: TAG,
    summary: 'Lists MCP servers, those of the configuration file among them',
    query: {
      ...pageQuery,
      tag: z.string().optional().meta({ description: 'Only those with this tag.' }),
      name: z.string().optional().meta({ description: 'Only the one with this name.' }),
    },
    answers: { 200: { description: 'One page.', schema: pageOf(gatewaySchema) } },
    async handle(call) {
      const { tag, name } = call.query;
      const visible = listable(call, await allKnown(call), 'gateways.read').filter((known) => {
        const tags = 'record' in known ? known.record.tags : known.server.registration.tags;
        return (tag === undefined || tags.includes(tag)) && (name === undefined || known.name === name);
      });
      const page = paged(
        visible,
        ({ id }) => id,
        call.query,
        (known) => known,
      );
      return { body: { ...page, items: await present(call, page.items) } };
    },
  }),
  route({
    action: 'gateway.create',
    method: 'POST',
    path: '/gateways',
    requires: writing,
    tag: TAG,
    summary: 'Registers an MCP server',
    description:
      'The name is reserved, the server is reached with its own certificate and credentials, and all pages of its listings are read; then it is stored, and served. When anything fails, nothing is stored. With `Prefer: respond-async` it is stored at once, and its `status` says what becomes of it.',
    body: gatewayInput,
    normalize: gatewayOfContextForge,
    answers: {
      201: { description: 'The server; `Location` leads to it.', schema: gatewaySchema },
      202: { description: 'It is stored and is being reached.', schema: gatewaySchema },
    },
    errors: ['already_exists', 'registration_failed', 'server_address_refused'],
    idempotent: true,
    async handle(call) {
      needAnyWrite(call);
      return register(call);
    },
  }),
  route({
    action: 'gateway.test',
    method: 'POST',
    path: '/gateways/test',
    requires: { permission: 'gateways.test' },
    tag: TAG,
    summary: 'Tries the way to an MCP server and stores nothing',
    description:
      'Answers 200 also when the server cannot be reached: `failure` says why. Servers in containers need `gateways.container`.',
    body: gatewayTrial,
    normalize: gatewayOfContextForge,
    answers: { 200: { description: 'What came of it.', schema: trialSchema } },
    errors: ['server_address_refused'],
    handle: tryOut,
  }),
  route({
    action: 'gateway.read',
    method: 'GET',
    path: '/gateways/{id}',
    requires: { permission: 'gateways.read' },
    tag: TAG,
    summary: 'Shows an MCP server',
    params,
    answers: { 200: shown },
    async handle(call) {
      const known = await findKnown(call, call.params.id, 'gateways.read');
      const [body] = await present(call, [known]);
      return { body, ...('record' in known ? { etag: String(known.record.version), live: true } : {}) };
    },
  }),
  route({
    action: 'gateway.update',
    method: 'PUT',
    path: '/gateways/{id}',
    requires: writing,
    tag: TAG,
    summary: 'Changes a registered MCP server',
    description:
      'What is left out stays as it is, what is null goes. Secrets have to be given anew when the server moves to another origin or image. A change of how the server is reached is tried first, and refused when it cannot be; with `Prefer: respond-async` it is stored at once.',
    params,
    body: gatewayChange,
    normalize: gatewayChangeOfContextForge,
    answers: { 200: shown, 202: { description: 'It is stored and is being reached.', schema: gatewaySchema } },
    errors: ['already_exists', 'read_only', 'registration_failed', 'server_address_refused', 'stale_version'],
    async handle(call) {
      needAnyWrite(call);
      const before = await findOwn(call, call.params.id, 'gateways.read');
      return changeGateway(call, before);
    },
  }),
  route({
    action: 'gateway.set-state',
    method: 'POST',
    path: '/gateways/{id}/state',
    requires: writing,
    tag: TAG,
    summary: 'Switches a registered MCP server on or off',
    description: 'One that is switched off is not connected, and nothing of it can be used.',
    params,
    query: activateQuery,
    body: stateInput,
    optionalBody: true,
    answers: { 200: shown },
    errors: ['read_only', 'stale_version'],
    async handle(call) {
      needAnyWrite(call);
      const before = await findOwn(call, call.params.id, 'gateways.read');
      call.need(permissionForRecord(before), before.access, referenceTo(before));
      return store(call, before, { enabled: wantedState(call) });
    },
  }),
  ...(['/gateways/{id}/refresh', '/gateways/{id}/tools/refresh'] as const).map((path, index) =>
    route({
      action: index === 0 ? 'gateway.refresh' : 'gateway.refresh-tools',
      method: 'POST',
      path,
      requires: writing,
      tag: TAG,
      summary: 'Reads again what an MCP server lists',
      ...(index === 0 ? {} : { description: 'The same as `/gateways/{id}/refresh`, for clients of ContextForge.' }),
      params,
      answers: { 200: { description: 'What has changed, by kind.', schema: refreshSchema } },
      errors: [
        'refused_by_state',
        'server_unavailable',
        'server_session_lost',
        'server_tls_error',
        'server_auth_required',
        'server_protocol_error',
        'server_timeout',
      ],
      async handle(call) {
        needAnyWrite(call);
        const known = await findKnown(call, call.params.id, 'gateways.read');
        const kind = 'record' in known ? permissionForRecord(known.record) : permissionFor(known.server.kind);
        call.need(kind, known.access, referenceTo(known));
        const { runtime } = call.context;
        const served = runtime().config.servers.find(({ registration }) => registration.id === known.id);
        const pool = served && runtime().pools.get(served.name);
        if (pool === undefined)
          throw new GatewayError('refused_by_state', `The server "${known.name}" is not in use at present.`);
        call.signal.throwIfAborted();
        const startedAt = performance.now();
        const changes = await unlessAborted(pool.refresh(), call.signal);
        return { body: { ...changes, durationMs: Math.round(performance.now() - startedAt) } satisfies RefreshBody };
      },
    }),
  ),
  route({
    action: 'gateway.delete',
    method: 'DELETE',
    path: '/gateways/{id}',
    requires: writing,
    tag: TAG,
    summary: 'Removes a registered MCP server',
    params,
    answers: { 204: { description: 'It is gone, with everything that was kept of it.' } },
    errors: ['read_only', 'stale_version'],
    async handle(call) {
      needAnyWrite(call);
      const before = await findOwn(call, call.params.id, 'gateways.read');
      call.need(permissionForRecord(before), before.access, referenceTo(before));
      const answer = await call.change(
        async (tx) => {
          const record = await tx.deleteGateway(before.id, call.ifVersion);
          return { result: record, object: referenceTo(record), before: auditOf(record), after: undefined };
        },
        () => ({ status: 204 }),
      );
      await call.context.apply();
      return answer;
    },
  }),
];

/** Before anything is looked for: who may write no server at all learns nothing of any. */
function needAnyWrite({ principal }: Pick<Call, 'principal'>): void {
  if (mayAnywhere(principal, 'gateways.write') || mayAnywhere(principal, 'gateways.container')) return;
  throw forbidden('gateways.write');
}

/** The name under which a server is tried that has none. */
const NAMELESS = 'test';

async function tryOut(
  call: Call<unknown, unknown, Readonly<Record<string, unknown>> & { readonly name?: string | undefined }>,
): Promise<Answer> {
  const { body, context } = call;
  const entry = unmasked(entryOf(body), {});
  if (entry['type'] !== 'http') call.need('gateways.container');
  const { server } = await checkDraft(
    {
      id: newRowId(),
      name: body.name ?? NAMELESS,
      entry,
      access: { visibility: 'private', owner: call.principal.user, team: undefined },
      description: undefined,
      tags: [],
    },
    context.stored,
    context.runtime().config,
  );
  await using candidate = await prepareTrial(context.candidates, server);
  const result: TrialBody = {
    ok: false,
    failure: null,
    path: [],
    transport: null,
    era: null,
    protocolVersion: null,
    serverInfo: null,
    capabilities: null,
    counts: null,
    timings: { connectMs: null, discoverMs: null },
    certificates: [],
  };
  try {
    const { upstream, items, connectMs, discoverMs } = await reach(candidate, timeLimit(call.signal, server));
    const { serverInfo } = JSON.parse(upstream.initializeResult) as { readonly serverInfo?: unknown };
    Object.assign(result, {
      ok: true,
      transport: upstream.transport,
      era: upstream.era,
      protocolVersion: upstream.protocolVersion,
      serverInfo: serverInfo ?? null,
      capabilities: upstream.capabilities,
      counts: countsOf(items),
      timings: { connectMs, discoverMs },
    } satisfies Partial<TrialBody>);
  } catch (error) {
    const reason = failureClassOf(error);
    if (reason === undefined || !(error instanceof GatewayError)) throw error;
    Object.assign(result, {
      failure: { reason, code: error.code, detail: error.message },
    } satisfies Partial<TrialBody>);
  }
  return { body: { ...result, path: [...candidate.wires], certificates: [...candidate.certificates] } };
}
