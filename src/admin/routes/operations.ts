/** What operators ask of the gateway itself: status, configuration, certificates, metrics, reload. */
import { z } from 'zod';
import { seesInApi } from '../../auth/authorize.ts';
import { GATEWAY_SPEC_VERSION, ALL_VERSIONS } from '../../mcp/versions.ts';
import type { ReloadResult } from '../../runtime/reload.ts';
import { visibleReload } from '../../runtime/visible-reload.ts';
import { CONTENT_TYPE } from '../../telemetry/exposition.ts';
import type { StoreStatus } from '../../store/store-status.ts';
import type { UpstreamPool } from '../../upstream/pool.ts';
import { certificatesSchema, reloadSchema, statusSchema, versionSchema } from '../contract/operations.ts';
import { effectiveConfiguration } from '../effective-configuration.ts';
import type { Call } from '../http/call.ts';
import { invalidInput } from '../http/problem.ts';
import { route, type Route } from '../http/route.ts';
import { iso, noSuchObject } from '../objects.ts';

const TAG = 'Operations';
const LAST_WORDS = 20;

export const OPERATION_ROUTES: readonly Route[] = [
  route({
    action: 'gateway.status',
    method: 'GET',
    path: '/status',
    // Without `/v1` stands the operation of the specification.
    aliases: [],
    requires: { permission: 'status.read' },
    tag: TAG,
    summary: 'Shows the state of the gateway, and of each server that the caller sees',
    answers: { 200: { description: 'The state.', schema: statusSchema } },
    async handle(call) {
      const { store, runtime, phase, version, load, reloads } = call.context;
      const { config, pools } = runtime();
      const { succeeded, failed, last } = reloads();
      const visible = [...pools.values()].filter((pool) => isVisible(call, pool));
      return {
        body: {
          phase: phase(),
          version,
          mode: config.gateway.mode,
          ...(await load()),
          store: presentStore(store.status()),
          reloads: { succeeded, failed, last: last === undefined ? null : presentReload(call, last) },
          servers: visible.map((pool) => statusOf(call, pool)),
        } satisfies z.infer<typeof statusSchema>,
      };
    },
  }),
  route({
    action: 'gateway.config',
    method: 'GET',
    path: '/config',
    requires: { permission: 'config.read' },
    tag: TAG,
    summary: 'Shows the configuration that is being served, without secrets',
    description: 'The servers are those that the caller sees, from the file and from the store.',
    answers: {
      200: {
        description: 'The configuration.',
        schema: z.object({ gateway: z.unknown(), servers: z.array(z.unknown()) }),
      },
    },
    async handle(call) {
      const { config } = call.context.runtime();
      call.need('config.read');
      const visible = config.servers.filter(({ registration }) => seesInApi(call.principal, registration.access));
      return { body: effectiveConfiguration(config, visible) };
    },
  }),
  route({
    action: 'gateway.certificates',
    method: 'GET',
    path: '/certs',
    aliases: [],
    requires: { permission: 'status.read' },
    tag: TAG,
    summary: 'Shows certificates, authorities and revocation lists, with what ends first at the front',
    answers: {
      200: { description: 'The certificates that the listener and visible servers use.', schema: certificatesSchema },
    },
    async handle(call) {
      const visible = visibleNames(call);
      return { body: call.context.certificates((server) => visible.has(server)) };
    },
  }),
  route({
    action: 'gateway.metrics',
    method: 'GET',
    path: '/metrics',
    aliases: [],
    requires: { permission: 'status.read' },
    tag: TAG,
    summary: 'Metrics for Prometheus, the same as /metrics',
    description: 'The series of servers are those that the caller sees.',
    answers: { 200: { description: 'Text in the exposition format.', schema: z.string(), contentType: CONTENT_TYPE } },
    async handle(call) {
      call.need('status.read');
      const visible = visibleNames(call);
      return { text: await call.context.metrics((server) => visible.has(server)), contentType: CONTENT_TYPE };
    },
  }),
  route({
    action: 'gateway.reload',
    method: 'POST',
    path: '/reload',
    aliases: [],
    requires: { permission: 'gateway.operate' },
    tag: TAG,
    summary: 'Reads configuration file and certificates again',
    description: 'Whatever is wrong leaves everything as it was; the answer then is 422 and says what it is.',
    answers: {
      200: { description: 'What has changed.', schema: reloadSchema },
      422: { description: 'Nothing has changed: `errors` says why.', schema: reloadSchema },
    },
    async handle(call) {
      call.need('gateway.operate');
      const result = await call.context.reload();
      return { status: result.ok ? 200 : 422, body: presentReload(call, result) };
    },
  }),
  route({
    action: 'gateway.set-log-level',
    method: 'PUT',
    path: '/log-level',
    aliases: [],
    requires: { permission: 'gateway.operate' },
    tag: TAG,
    summary: 'Sets how much is logged, until the next start',
    body: z
      .strictObject({ level: z.string().max(20), server: z.string().max(200).optional() })
      .meta({ id: 'LogLevel' }),
    answers: { 204: { description: 'The level is set.' } },
    async handle(call) {
      call.need('gateway.operate');
      const { level, server } = call.body;
      const pool = server === undefined ? undefined : call.context.runtime().pools.get(server);
      if (server !== undefined && (pool === undefined || !isVisible(call, pool))) throw noSuchObject('server', server);
      try {
        call.context.setLogLevel(level, server);
      } catch (error) {
        const detail = error instanceof Error ? error.message : String(error);
        throw invalidInput([{ pointer: '/level', detail, remedy: 'Use trace, debug, info, warn, error or fatal.' }]);
      }
      return { status: 204 };
    },
  }),
  route({
    action: 'gateway.version',
    method: 'GET',
    path: '/version',
    requires: { anybody: 'What runs here shows in every handshake as well.' },
    forConfinedTokens: true,
    tag: TAG,
    summary: 'Shows the versions of the gateway and of the protocols that it speaks',
    answers: { 200: { description: 'The versions.', schema: versionSchema } },
    async handle({ context: { version, store } }) {
      return {
        body: {
          name: 'gatehouse',
          version,
          specification: GATEWAY_SPEC_VERSION,
          protocols: [...ALL_VERSIONS],
          node: process.versions.node,
          store: store.engine,
        } satisfies z.infer<typeof versionSchema>,
      };
    },
  }),
];

function presentStore({ since, lastAnswer, lastError, ...status }: StoreStatus): z.infer<typeof statusSchema>['store'] {
  return {
    ...status,
    since: iso(since),
    lastAnswer: iso(lastAnswer),
    lastError: lastError === undefined ? null : { ...lastError, at: iso(lastError.at) },
  };
}

function visibleNames(call: Call): ReadonlySet<string> {
  const pools = [...call.context.runtime().pools.values()];
  return new Set(pools.filter((pool) => isVisible(call, pool)).map(({ name }) => name));
}

/** By what the configuration of now says: a pool may be older than the words about who sees it. */
function isVisible(call: Call, { name }: UpstreamPool): boolean {
  const server = call.context.runtime().config.servers.find((one) => one.name === name);
  if (server === undefined) return false;
  const { access } = server.registration;
  return seesInApi(call.principal, access) && call.may('status.read', access);
}

function statusOf({ context }: Call, pool: UpstreamPool): z.infer<typeof statusSchema>['servers'][number] {
  const { state, reason, since, nextProbe } = pool.health;
  const registration = context.runtime().config.servers.find(({ name }) => name === pool.name)?.registration;
  return {
    id: registration?.id ?? pool.name,
    name: pool.name,
    kind: pool.config.kind,
    origin: registration?.origin.kind ?? 'file',
    health: {
      state,
      reason: reason ?? null,
      since: iso(since),
      nextProbe: nextProbe === undefined ? null : iso(nextProbe),
    },
    transport: pool.transport ?? null,
    conversations: pool.conversations,
    uptime: pool.connectedAt === 0 ? 0 : Math.floor((Date.now() - pool.connectedAt) / 1000),
    eras: { legacy: pool.eras.legacy, modern: pool.eras.modern },
    lastWords: pool.lastWords.slice(-LAST_WORDS),
  };
}

function presentReload(call: Call, result: ReloadResult): z.infer<typeof reloadSchema> {
  const { config } = call.context.runtime();
  const seen = new Set(
    config.servers.filter(({ registration }) => seesInApi(call.principal, registration.access)).map(({ name }) => name),
  );
  const { ok, trigger, at, ms, servers, notes, errors } = visibleReload(result, config, {
    seesAll: call.may('visibility.all'),
    isVisible: (server) => seen.has(server),
  });
  const { added, removed, changed, kept } = servers;
  const mayOperate = call.may('gateway.operate');
  return {
    ok,
    trigger,
    at,
    ms,
    servers: { added: [...added], removed: [...removed], changed: [...changed], kept: [...kept] },
    notes: mayOperate ? [...notes] : [],
    errors: mayOperate ? [...errors] : [],
  };
}
