/** Registers a server: its name is reserved, it is reached and asked for everything, and only then it is there. */
import type { ServerConfig } from '../../config/config.ts';
import type { Permission } from '../../auth/permissions.ts';
import type { Candidate } from '../../runtime/candidates.ts';
import { takenNames } from '../../runtime/stored-config.ts';
import { GatewayError } from '../../shared/errors.ts';
import { newRowId } from '../../store/row-id.ts';
import type { GatewayRecord, NewRecord } from '../../store/store.ts';
import type { Call } from '../http/call.ts';
import type { JsonAnswer } from '../http/route.ts';
import { accessFrom, type AccessInput } from '../objects.ts';
import { checkDraft, type CheckedDraft, entryOf, unmasked } from './draft.ts';
import { auditOf, permissionFor, presentRecord, referenceTo } from './known.ts';
import { prepareTrial, reach, unreachable } from './trial.ts';

/** How long reaching a server and reading its listings may take after its startup timeout. */
const DISCOVERY_MS = 60_000;
/** How much longer a reservation lasts than the registration: what is over can never be taken for what is not. */
const MARGIN_MS = 60_000;

export interface RegistrationBody extends AccessInput, Readonly<Record<string, unknown>> {
  readonly name: string;
  readonly description?: string | null | undefined;
  readonly tags: readonly string[];
  readonly enabled: boolean;
}

/** The body is checked as a whole before anything is written, and what is written is gone when the server cannot be reached. */
export async function register(call: Call<unknown, unknown, RegistrationBody>): Promise<JsonAnswer> {
  const { body, context } = call;
  const entry = unmasked(entryOf(body), {});
  const permission: Permission = permissionFor(entry['type'] === 'http' ? 'http' : 'container');
  call.need(permission, { team: body.team ?? undefined });
  const access = await accessFrom(call, body, permission);
  const about = { access, description: body.description ?? undefined, tags: body.tags };
  const { config } = context.runtime();
  const draft = await checkDraft({ id: newRowId(), name: body.name, entry, ...about }, context.stored, config);
  refuseTaken(body.name, call);
  await using candidate = await prepareTrial(context.candidates, draft.server);
  const fields = { ...draft.record, enabled: body.enabled };
  // What is disabled is not reached at all, and who does not wait is told later.
  if (!body.enabled) return await keep(call, { ...fields, state: 'active', leaseUntil: undefined }, 201);
  if (call.prefersAsync) return await keep(call, { ...fields, state: 'pending', leaseUntil: undefined }, 202);
  return await reserveAndReach(call, fields, draft, candidate);
}

async function keep(call: Call, fields: NewRecord<GatewayRecord>, status: 201 | 202): Promise<JsonAnswer> {
  const { result } = await insert(call, fields, 'gateway.create', status);
  await call.context.apply();
  return answerFor(call, result, status);
}

async function reserveAndReach(
  call: Call,
  fields: Omit<NewRecord<GatewayRecord>, 'state' | 'leaseUntil'>,
  { server }: CheckedDraft,
  candidate: Candidate,
): Promise<JsonAnswer> {
  const leaseUntil = Date.now() + server.startupTimeoutMs + DISCOVERY_MS + MARGIN_MS;
  const { result: reserved } = await insert(call, { ...fields, state: 'pending', leaseUntil }, 'gateway.reserve');
  let record: GatewayRecord;
  try {
    const { items } = await reach(candidate, timeLimit(call.signal, server));
    await call.context.store.syncItems(server.name, items);
    record = await activate(call, reserved);
  } catch (error) {
    await release(call, reserved);
    throw unreachable(error, server.name);
  }
  // The connection is there: the next Runtime takes it over.
  await call.context.apply();
  return answerFor(call, record, 201);
}

async function insert(
  call: Call,
  fields: NewRecord<GatewayRecord>,
  action: string,
  answered?: 201 | 202,
): Promise<{ readonly result: GatewayRecord }> {
  const { context, actor } = call;
  const result = await context.store.change({ actor, action }, async (tx) => {
    const inserted = await tx.insertGateway(fields);
    if (answered !== undefined) await call.remember(tx, await answerFor(call, inserted, answered));
    return { result: inserted, object: referenceTo(inserted), before: undefined, after: auditOf(inserted) };
  });
  return { result };
}

async function activate(call: Call, { id, version }: GatewayRecord): Promise<GatewayRecord> {
  const { context, actor } = call;
  return context.store.change({ actor, action: 'gateway.create' }, async (tx) => {
    const record = await tx.updateGateway(id, version, { state: 'active', leaseUntil: undefined });
    await call.remember(tx, await answerFor(call, record, 201));
    return { result: record, object: referenceTo(record), before: undefined, after: auditOf(record) };
  });
}

/** Gives the name back. When even that fails, the lease ends by itself. */
async function release(call: Call, reserved: GatewayRecord): Promise<void> {
  const { context, actor } = call;
  try {
    await context.store.change({ actor, action: 'gateway.release' }, async (tx) => {
      const record = await tx.deleteGateway(reserved.id);
      return { result: record, object: referenceTo(record), before: auditOf(record), after: undefined };
    });
  } catch (error) {
    context.log.warn({ err: error, gateway: reserved.name }, 'a reserved name is free again when its lease is over');
  }
}

async function answerFor(call: Call, record: GatewayRecord, status: 201 | 202): Promise<JsonAnswer> {
  const body = await presentRecord(call, record);
  return { status, body, etag: String(record.version), live: true, headers: { location: `/v1/gateways/${record.id}` } };
}

/** Throws `already_exists` for names that only the configuration file can give up. */
export function refuseTaken(name: string, { context }: Pick<Call, 'context'>): void {
  const owner = takenNames(context.runtime().config).get(name);
  if (owner !== undefined) throw new GatewayError('already_exists', `The name "${name}" is taken by ${owner}.`);
}

/** Also aborted when reaching the server and reading its listings takes too long. */
export function timeLimit(signal: AbortSignal, { name: server, startupTimeoutMs }: ServerConfig): AbortSignal {
  const ms = startupTimeoutMs + DISCOVERY_MS;
  const timeout = new AbortController();
  const timer = setTimeout(
    () =>
      timeout.abort(new GatewayError('server_timeout', `Its listings took longer than ${ms / 1000} s.`, { server })),
    ms,
  );
  timer.unref();
  return AbortSignal.any([signal, timeout.signal]);
}
