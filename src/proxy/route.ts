/** Tells from the path of a request where it goes. */

/** The two addresses of the HTTP+SSE transport (2024-11-05): the stream down, and the messages up. */
export type SsePart = 'stream' | 'messages';

export type Route =
  | { readonly kind: 'server'; readonly server: string; readonly sse?: SsePart }
  /** Several servers on one endpoint; `group` names them, undefined = all. */
  | { readonly kind: 'unified'; readonly group: string | undefined; readonly sse?: SsePart }
  /** A named selection of items; its id, or before it is resolved perhaps its name. */
  | { readonly kind: 'virtual'; readonly id: string; readonly sse?: SsePart }
  | { readonly kind: 'operation'; readonly name: OperationName };

/** Where MCP is spoken. */
export type Endpoint = Exclude<Route, { readonly kind: 'operation' }>;

export type OperationName = 'health' | 'ready' | 'close' | 'reload' | 'status' | 'log-level' | 'metrics' | 'certs';

const OPERATIONS: Readonly<Record<string, OperationName>> = {
  '/health': 'health',
  '/ready': 'ready',
  '/close': 'close',
  '/reload': 'reload',
  '/status': 'status',
  '/log-level': 'log-level',
  '/metrics': 'metrics',
  '/certs': 'certs',
};

/** The route of a request target such as `/mcp/github?x`; undefined when nothing lives there. */
export function routeOf(target: string): Route | undefined {
  const query = target.indexOf('?');
  const path = query === -1 ? target : target.slice(0, query);
  if (path === '/mcp' || path === '/mcp/') return { kind: 'unified', group: undefined };
  if (path === '/sse' || path === '/messages') return { kind: 'unified', group: undefined, sse: partOf(path) };
  const [, segment, part] = /^\/mcp\/([^/]+)(\/sse|\/messages)?\/?$/.exec(path) ?? [];
  if (segment !== undefined) {
    const server = decode(segment);
    if (server === undefined || server.includes('/')) return undefined;
    return part === undefined ? { kind: 'server', server } : { kind: 'server', server, sse: partOf(part) };
  }
  const [, id, end] = /^(?:\/v1)?\/servers\/([^/]+)\/(mcp|sse|messages?)\/?$/.exec(path) ?? [];
  if (id !== undefined) {
    const decoded = decode(id);
    if (decoded === undefined) return undefined;
    return end === 'mcp' ? { kind: 'virtual', id: decoded } : { kind: 'virtual', id: decoded, sse: partOf(`/${end}`) };
  }
  const name = OPERATIONS[path];
  return name === undefined ? undefined : { kind: 'operation', name };
}

/** What kind of endpoint it is, for metrics. */
export function kindOf(route: Route): string {
  return route.kind === 'unified' && route.group !== undefined ? 'group' : route.kind;
}

/** Sessions belong to the route on which they were opened. */
export function routeKey(route: Route): string {
  if (route.kind === 'server') return `server:${route.server}`;
  if (route.kind === 'operation') return `operation:${route.name}`;
  if (route.kind === 'virtual') return `virtual:${route.id}`;
  return route.group === undefined ? 'unified' : `group:${route.group}`;
}

function partOf(path: string): SsePart {
  return path === '/sse' ? 'stream' : 'messages';
}

function decode(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}
