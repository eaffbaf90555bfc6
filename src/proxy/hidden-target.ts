/** Finds out whether what somebody has asked for in vain belongs to a server that does not exist for him: for the audit log, and for nobody else. */
import { sees } from '../auth/authorize.ts';
import { listingOf } from '../mcp/listing.ts';
import { isObject, paramsOf, type Message } from '../mcp/message.ts';
import { resolveUri } from '../mcp/uris.ts';
import { GatewayError } from '../shared/errors.ts';
import type { UpstreamPool } from '../upstream/pool.ts';
import type { Exchange } from './exchange.ts';
import { viewsOf } from './view/views.ts';

/** Stands behind the failure of a request for what exists for others only. Callers see the failure, and never this. */
export class HiddenTarget extends Error {
  override readonly name = 'HiddenTarget';
  readonly server: string;

  constructor(server: string) {
    super(`the server "${server}" does not exist for this caller`);
    this.server = server;
  }
}

/** The same failure, which also knows whether there is what the caller has asked for on an endpoint that servers share. */
export function withHiddenTarget(error: unknown, exchange: Exchange): unknown {
  if (!(error instanceof GatewayError) || error.code !== 'invalid_params' || exchange.route.kind === 'server')
    return error;
  const server = hiddenServer(exchange);
  if (server === undefined) return error;
  return new GatewayError(error.code, error.message, { data: error.data, cause: new HiddenTarget(server) });
}

type Asked = Pick<Exchange, 'message' | 'runtime' | 'principal' | 'view'>;

function hiddenServer({ message, runtime, principal, view }: Asked): string | undefined {
  const views = viewsOf(runtime);
  if (!views.restricted) return undefined;
  const hidden = [...runtime.pools.values()].filter(({ name }) => {
    const access = views.access(name);
    return access !== undefined && !sees(principal, access);
  });
  const { kind, key } = askedFor(message);
  if (key === undefined) return undefined;
  if (view.names.mode === 'plain') return hidden.find((pool) => hasListed(pool, kind, key))?.name;
  const names = hidden.map(({ name }) => name);
  if (kind !== 'resources') return view.names.owners(key, names)[0];
  const server = resolveUri(key)?.server;
  return names.find((name) => name === server);
}

/** What the request names, whatever its method. */
function askedFor(message: Message): {
  readonly kind: 'tools' | 'prompts' | 'resources';
  readonly key: string | undefined;
} {
  const { ref, ...params } = paramsOf(message);
  const { name, uri } = isObject(ref) ? ref : params;
  if (typeof name === 'string') return { kind: message.method === 'tools/call' ? 'tools' : 'prompts', key: name };
  return { kind: 'resources', key: typeof uri === 'string' ? uri : undefined };
}

/** By what it has listed last: nothing is asked for somebody who may not know of it. */
function hasListed(pool: UpstreamPool, kind: 'tools' | 'prompts' | 'resources', key: string): boolean {
  const methods = kind === 'resources' ? ['resources/list', 'resources/templates/list'] : [`${kind}/list`];
  return methods.some((method) => {
    const row = listingOf(method);
    return row !== undefined && pool.lastListing(row, undefined)?.items.some((item) => item.key === key) === true;
  });
}
