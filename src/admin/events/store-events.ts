/** Makes events of what changes in the store, whichever process has changed it: each line of the audit log is one. */
import type { Logger } from 'pino';
import type { Permission } from '../../auth/permissions.ts';
import type { Access } from '../../config/registration.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { AuditRecord, Store } from '../../store/store.ts';
import { isFields } from '../compatibility.ts';
import type { Audience, EventBus } from './event-bus.ts';

/** What one may have to be told of objects of this kind. */
const PERMISSION_OF_KIND: Readonly<Record<string, Permission>> = {
  gateway: 'gateways.read',
  server: 'servers.read',
  tool: 'tools.read',
  resource: 'resources.read',
  prompt: 'prompts.read',
  user: 'users.read',
  team: 'teams.read',
  role: 'roles.read',
  'role-binding': 'roles.read',
  token: 'tokens.read',
};

const BATCH = 200;

export interface StoreEventsOptions {
  readonly store: Store;
  readonly runtime: () => Runtime;
  readonly bus: EventBus;
  readonly log: Logger;
}

export class StoreEvents implements AsyncDisposable {
  readonly #options: StoreEventsOptions;
  readonly #stop: () => void;
  /** The newest line that was told; undefined until the first is known. */
  #told: number | undefined;
  #work: Promise<void>;

  constructor(options: StoreEventsOptions) {
    this.#options = options;
    this.#work = this.#guarded(async () => {
      this.#told = (await options.store.audit({ limit: 1 }))[0]?.sequence ?? 0;
    });
    this.#stop = options.store.onChange(() => {
      this.#work = this.#work.then(() => this.#guarded(() => this.#tell()));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop();
    await this.#work;
  }

  async #guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#options.log.warn({ err: error }, 'changes in the store could not be told to those who follow events');
    }
  }

  async #tell(): Promise<void> {
    const { store, bus } = this.#options;
    const lines: AuditRecord[] = [];
    let before: number | undefined;
    for (;;) {
      const page = await store.audit({ limit: BATCH, ...(before === undefined ? {} : { before }) });
      const fresh = page.filter(({ sequence }) => this.#told === undefined || sequence > this.#told);
      lines.push(...fresh);
      before = fresh.at(-1)?.sequence;
      // Nobody is told of what happened before he could have heard of it.
      if (fresh.length < BATCH || before === undefined || this.#told === undefined) break;
    }
    this.#told = Math.max(this.#told ?? 0, lines[0]?.sequence ?? 0);
    for (const line of lines.toReversed()) {
      if (line.outcome !== 'done') continue;
      const { action, object, at, sequence, actor } = line;
      bus.publish({
        type: action,
        at,
        object,
        data: { audit: sequence, by: actor.subject },
        audience: await this.#audienceOf(line),
      });
    }
  }

  /** Who may hear of it. What belongs to somebody, and of which nobody knows any more to whom, is for nobody in particular. */
  async #audienceOf(line: AuditRecord): Promise<Audience> {
    const { store, runtime } = this.#options;
    const { object, before, after } = line;
    const permission = permissionOf(line);
    if (object === undefined) return { permission, access: undefined };
    if (object.kind === 'team')
      return { permission, access: { visibility: 'team', owner: undefined, team: object.id } };
    const said = accessIn(after) ?? accessIn(before);
    if (object.kind === 'gateway' || object.kind === 'server') {
      const read = object.kind === 'gateway' ? store.gateway(object.id) : store.virtualServer(object.id);
      return { permission, access: said ?? (await read)?.access ?? HIDDEN, of: object };
    }
    if (!['tool', 'resource', 'prompt'].includes(object.kind)) return { permission, access: undefined };
    const name = (await store.item(object.id))?.server;
    const configured = runtime().config.servers.find((server) => server.name === name)?.registration;
    const server = configured ?? (name === undefined ? undefined : await store.gatewayByName(name));
    const of = server && { kind: 'gateway', id: server.id };
    return { permission, access: server?.access ?? HIDDEN, of };
  }
}

const HIDDEN: Access = { visibility: 'private', owner: undefined, team: undefined };

function permissionOf({ object }: AuditRecord): Permission {
  return PERMISSION_OF_KIND[object?.kind ?? ''] ?? 'audit.read';
}

function accessIn(value: unknown): Access | undefined {
  if (!isFields(value)) return undefined;
  const { visibility, owner, team, access } = value;
  if (isFields(access)) return accessIn(access);
  if (visibility !== 'private' && visibility !== 'team' && visibility !== 'public') return undefined;
  return {
    visibility,
    owner: typeof owner === 'string' ? owner : undefined,
    team: typeof team === 'string' ? team : undefined,
  };
}
