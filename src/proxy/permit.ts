/** Whether the principal of a request may do what its method does: step 5 of the pipeline, and once more when its server is known. */
import { may, mayAnywhere } from '../auth/authorize.ts';
import type { Permission } from '../auth/permissions.ts';
import { isObject, paramsOf, type Message } from '../mcp/message.ts';
import { GatewayError } from '../shared/errors.ts';
import type { Exchange } from './exchange.ts';
import { viewsOf } from './view/views.ts';

/** Any one of these lets its holder open a conversation. */
const USE = ['tools.read', 'tools.call', 'resources.read', 'prompts.read'] as const satisfies readonly Permission[];

/** The permissions of which a principal needs one, by method. An empty list: the session is its own business. */
export const METHOD_PERMISSIONS = {
  initialize: USE,
  'server/discover': USE,
  'subscriptions/listen': USE,
  ping: [],
  'logging/setLevel': [],
  'tools/list': ['tools.read'],
  'tools/call': ['tools.call'],
  'resources/list': ['resources.read'],
  'resources/templates/list': ['resources.read'],
  'resources/read': ['resources.read'],
  'resources/subscribe': ['resources.read'],
  'resources/unsubscribe': ['resources.read'],
  'prompts/list': ['prompts.read'],
  'prompts/get': ['prompts.read'],
  // As the reference in it says.
  'completion/complete': ['prompts.read', 'resources.read'],
  'tasks/get': ['tools.call'],
  'tasks/result': ['tools.call'],
  'tasks/list': ['tools.call'],
  'tasks/update': ['tools.call'],
  'tasks/cancel': ['tools.call'],
} as const satisfies Readonly<Record<string, readonly Permission[]>>;

const PERMISSIONS: ReadonlyMap<string, readonly Permission[]> = new Map(Object.entries(METHOD_PERMISSIONS));
/** What nobody has thought of may do anything: it needs what a call needs. */
const ANY_OTHER: readonly Permission[] = ['tools.call'];

/** The permissions of which a request needs one. */
export function permissionsOf(message: Message): readonly Permission[] {
  const method = message.method ?? '';
  if (method === 'completion/complete') {
    const { ref } = paramsOf(message);
    return [isObject(ref) && ref['type'] === 'ref/prompt' ? 'prompts.read' : 'resources.read'];
  }
  return PERMISSIONS.get(method) ?? ANY_OTHER;
}

/**
 * Throws `forbidden` unless the principal may do it on this endpoint, with one of its servers at least. `target` is that of
 * the HTTP request, where there is one: the answer says how to get a token that may.
 */
export function checkPermission(exchange: Asked, target?: string): void {
  const { principal, message, runtime, route } = exchange;
  const needed = permissionsOf(message);
  if (needed.length === 0) return;
  const isAllowed =
    route.kind === 'server'
      ? maySend(exchange, route.server)
      : needed.some((permission) => mayAnywhere(principal, permission));
  if (isAllowed) return;
  const { resource } = runtime.authenticator;
  throw lacking(needed, message.method ?? '', target && resource.challenge(target, { kind: 'scope', scopes: needed }));
}

/** True when the principal may do with what this server has what the method does. */
export function maySend({ principal, message, runtime }: Asked, server: string): boolean {
  const access = viewsOf(runtime).access(server);
  return permissionsOf(message).some((permission) => may(principal, permission, access));
}

/** Throws `forbidden` unless the principal may do with what this server has what the method does. */
export function checkServer(exchange: Asked, server: string): void {
  if (maySend(exchange, server)) return;
  const { message } = exchange;
  throw lacking(permissionsOf(message), `${message.method ?? ''} on server "${server}"`);
}

/** True when others may see other things on the endpoint, so that nobody may share what a client keeps of it. */
export function dependsOnCaller({ view, runtime }: Pick<Exchange, 'view' | 'runtime'>): boolean {
  return view.restricted || runtime.authenticator.rightsDiffer;
}

type Asked = Pick<Exchange, 'principal' | 'message' | 'runtime' | 'route'>;

function lacking(needed: readonly Permission[], what: string, challenge?: string): GatewayError {
  const names = needed.join(' or ');
  return new GatewayError('forbidden', `${what} needs the permission ${names}, which your credential does not have.`, {
    challenge,
    data: { permissions: [...needed] },
  });
}
