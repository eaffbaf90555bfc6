/** Finding the servers that there are, those of the store and those of the configuration file, for whoever may know of them. */
import type { Permission } from '../../auth/permissions.ts';
import type { ServerConfig } from '../../config/config.ts';
import { GatewayError } from '../../shared/errors.ts';
import type { GatewayRecord } from '../../store/store.ts';
import type { Call } from '../http/call.ts';
import { admitted } from '../objects.ts';
import type { GatewayBody } from '../contract/gateways.ts';
import { countsByServer, type Known, knownOfFile, knownOfStore, presentGateway, type Surroundings } from './present.ts';

/** All of them, without those whose registration is still under way. */
export async function allKnown({ context }: Pick<Call, 'context'>): Promise<readonly Known[]> {
  const records = await context.store.gateways();
  return [...knownOfFile(context.runtime()), ...records.filter(isThere).map(knownOfStore)];
}

/** By id, or by name. Throws `no_such_object` and `forbidden`. */
export async function findKnown(call: Call, key: string, permission: Permission): Promise<Known> {
  const { store } = call.context;
  const record = (await store.gateway(key)) ?? (await store.gatewayByName(key));
  const ofFile = knownOfFile(call.context.runtime()).find(({ id, name }) => id === key || name === key);
  const stored = record !== undefined && isThere(record) ? knownOfStore(record) : undefined;
  // Under one name the file goes before the store; by its id a shadowed server can still be found.
  const known = stored?.id === key ? stored : (ofFile ?? stored);
  return admitted(call, known, { kind: 'gateway', key, permission });
}

/** As `findKnown`, for what is to be changed. Throws `read_only` for what a file owns. */
export async function findOwn(call: Call, key: string, permission: Permission): Promise<GatewayRecord> {
  const known = await findKnown(call, key, permission);
  if ('record' in known) return known.record;
  throw new GatewayError(
    'read_only',
    `The server "${known.name}" belongs to the configuration file ${known.file}. Change it there, and reload.`,
    { data: { file: known.file } },
  );
}

export function permissionFor(kind: ServerConfig['kind']): Permission {
  return kind === 'container' ? 'gateways.container' : 'gateways.write';
}

/** The permission for a change of a registered server as it is. */
export function permissionForRecord({ document }: Pick<GatewayRecord, 'document'>): Permission {
  return permissionFor(document['type'] === 'http' ? 'http' : 'container');
}

/** How many of them what is in use has to say. */
export async function present(call: Pick<Call, 'context'>, known: readonly Known[]): Promise<readonly GatewayBody[]> {
  const { context } = call;
  const [only] = known;
  const items = await context.store.items(known.length === 1 && only !== undefined ? { server: only.name } : {});
  const surroundings: Surroundings = {
    runtime: context.runtime(),
    leftOut: context.stored.leftOut,
    counts: countsByServer(items),
  };
  return known.map((each) => presentGateway(each, surroundings));
}

/** The answer about one record. */
export async function presentRecord(call: Pick<Call, 'context'>, record: GatewayRecord): Promise<GatewayBody> {
  const [body] = await present(call, [knownOfStore(record)]);
  if (body === undefined) throw new Error('nothing was presented');
  return body;
}

/** As it stands in the audit log: without secrets. */
export function auditOf(record: GatewayRecord): object {
  const { name, document, secrets, access, description, tags, enabled, state, version } = record;
  return { name, document, secrets: Object.keys(secrets), ...access, description, tags, enabled, state, version };
}

export function referenceTo({ id, name }: { readonly id: string; readonly name: string }): {
  kind: string;
  id: string;
  name: string;
} {
  return { kind: 'gateway', id, name };
}

function isThere({ leaseUntil }: GatewayRecord): boolean {
  return leaseUntil === undefined;
}
