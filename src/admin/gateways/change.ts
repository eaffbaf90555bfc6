/** Changes a registered server: what it becomes is tried first, and nothing changes when that cannot be reached. */
import { isDeepStrictEqual } from 'node:util';
import { joinSecrets } from '../../config/entry-secrets.ts';
import type { GatewayRecord } from '../../store/store.ts';
import type { Call } from '../http/call.ts';
import type { JsonAnswer } from '../http/route.ts';
import { accessFrom, type AccessInput } from '../objects.ts';
import { changedEntry, checkDraft } from './draft.ts';
import { auditOf, permissionFor, permissionForRecord, presentRecord, referenceTo } from './known.ts';
import { refuseTaken, timeLimit } from './registration.ts';
import { prepareTrial, reach, unreachable } from './trial.ts';

export interface ChangeBody extends AccessInput, Readonly<Record<string, unknown>> {
  readonly name?: string | undefined;
  readonly description?: string | null | undefined;
  readonly tags?: readonly string[] | undefined;
  readonly enabled?: boolean | undefined;
}

/** Fields that say how the server is reached are tried before they are stored, unless the caller does not want to wait. */
export async function changeGateway(
  call: Call<unknown, unknown, ChangeBody>,
  before: GatewayRecord,
): Promise<JsonAnswer> {
  const { body, context } = call;
  const entry = changedEntry(before, body);
  const permission = permissionFor(entry['type'] === 'http' ? 'http' : 'container');
  // Both the server that it was and the one that it becomes.
  call.need(permissionForRecord(before), before.access, referenceTo(before));
  call.need(permission, before.access, referenceTo(before));
  const access = await accessFrom(call, body, permission, before.access);
  const name = body.name ?? before.name;
  const description = body.description === undefined ? before.description : (body.description ?? undefined);
  const about = { access, description, tags: body.tags ?? before.tags };
  const draft = await checkDraft({ id: before.id, name, entry, ...about }, context.stored, context.runtime().config);
  if (name !== before.name) refuseTaken(name, call);
  const enabled = body.enabled ?? before.enabled;
  const fields = { ...draft.record, enabled };
  const isSameWay = name === before.name && isDeepStrictEqual(joinSecrets(before), joinSecrets(draft.record));
  if (!enabled || (isSameWay && before.enabled)) return store(call, before, fields);
  await using candidate = await prepareTrial(context.candidates, draft.server);
  if (call.prefersAsync) return await store(call, before, { ...fields, state: 'pending' }, 202);
  const { server } = draft;
  try {
    const { items } = await reach(candidate, timeLimit(call.signal, server));
    const answer = await store(call, before, { ...fields, state: 'active' });
    await context.store.syncItems(server.name, items);
    return answer;
  } catch (error) {
    throw unreachable(error, server.name);
  }
}

/** Writes the change and puts it to use. */
export async function store(
  call: Call,
  before: GatewayRecord,
  { id: _same, ...fields }: Partial<GatewayRecord>,
  status: 200 | 202 = 200,
): Promise<JsonAnswer> {
  const { context } = call;
  const changed: { record?: GatewayRecord } = {};
  const answer = await call.change(
    async (tx) => {
      const record = await tx.updateGateway(before.id, call.ifVersion ?? before.version, fields);
      changed.record = record;
      return { result: record, object: referenceTo(record), before: auditOf(before), after: auditOf(record) };
    },
    ({ version }) => ({ status, etag: String(version), live: true }),
  );
  await context.apply();
  return { ...answer, body: await presentRecord(call, changed.record ?? before) };
}
