/** Tells from the path of a request where it goes. */

export type Route =
  | { readonly kind: 'server'; readonly server: string }
  /** Several servers on one endpoint; `group` names them, undefined = all. */
  | { readonly kind: 'unified'; readonly group: string | undefined }
  | { readonly kind: 'operation'; readonly name: OperationName };

export type OperationName = 'health' | 'ready' | 'close' | 'status' | 'log-level';

const OPERATIONS: Readonly<Record<string, OperationName>> = {
  '/health': 'health',
  '/ready': 'ready',
  '/close': 'close',
  '/status': 'status',
  '/log-level': 'log-level',
};

/** The route of a request target such as `/mcp/github?x`; undefined when nothing lives there. */
export function routeOf(target: string): Route | undefined {
  const query = target.indexOf('?');
  const path = query === -1 ? target : target.slice(0, query);
  if (path === '/mcp' || path === '/mcp/') return { kind: 'unified', group: undefined };
  if (path.startsWith('/mcp/')) {
    const server = decode(path.slice('/mcp/'.length).replace(/\/$/, ''));
    return server === undefined || server.includes('/') ? undefined : { kind: 'server', server };
  }
  const name = OPERATIONS[path];
  return name === undefined ? undefined : { kind: 'operation', name };
}

/** Sessions belong to the route on which they were opened. */
export function routeKey(route: Route): string {
  if (route.kind === 'server') return `server:${route.server}`;
  if (route.kind === 'operation') return `operation:${route.name}`;
  return route.group === undefined ? 'unified' : `group:${route.group}`;
}

function decode(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}
