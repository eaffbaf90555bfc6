/** Lets requests in: who calls, where it leads, and what is said when it leads nowhere. */
import type { Principal } from '../auth/authenticator.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { within } from '../shared/async.ts';
import { GatewayError } from '../shared/errors.ts';
import type { RequestHead } from '../shared/request-head.ts';
import { isRecorded, NOT_FOR_HIM } from './denial.ts';
import type { Admitted } from './exchange.ts';
import type { Front } from './front.ts';
import type { WholeRequest } from './post-request.ts';
import { expected } from './respond.ts';
import { routeKey, routeOf, type Endpoint } from './route.ts';
import { isStranger } from './strangers.ts';
import { viewsOf } from './view/views.ts';

const LONGEST_RECORD_MS = 1_000;

/** Who calls: the one way in, however the request was read. */
export function callerOf(runtime: Runtime, requestId: string, request: RequestHead): Caller | Promise<Caller> {
  const address = request.socket.remoteAddress;
  const enter = (principal: Principal): Caller => ({ requestId, principal, runtime, address });
  const principal = runtime.authenticator.authenticate(request);
  return principal instanceof Promise ? principal.then(enter) : enter(principal);
}

/** The route of a path that is one of a message. */
export function messageRoute(url: string): Endpoint {
  const route = routeOf(url);
  if (route === undefined || route.kind === 'operation')
    throw new GatewayError('not_found', 'There is no endpoint at this path.');
  return route;
}

/** Writes down that a request came to nothing, and says why. Never rejects. */
export async function refused(
  { metrics, log, recordStranger }: Front,
  error: unknown,
  requestId: string,
  request: RequestHead,
): Promise<GatewayError> {
  const failure = expected(error, requestId);
  metrics.refusal(failure.code);
  if (failure.code === 'internal')
    log.error({ err: error, requestId }, 'a request failed through a fault of the gateway');
  else log.info({ requestId, url: pathOnly(request), verb: request.method, outcome: failure.code }, 'request refused');
  if (isStranger(failure) && !isRecorded(failure)) {
    const action = `${request.method ?? ''} ${pathOnly(request)}`;
    const address = request.socket.remoteAddress;
    const written = recordStranger({ requestId, address, action, reason: failure.message });
    // A store that does not answer holds up nobody who is refused; the line is written when it can be.
    await within(written, LONGEST_RECORD_MS).catch(() => undefined);
  }
  return failure;
}

/**
 * Where a route leads. Throws or rejects when it leads to nothing in this Runtime, or to nothing that exists for the
 * principal: it cannot tell which, and the audit log can.
 */
export function endpointOf(front: Front, asked: Endpoint, caller: Caller): Place | Promise<Place> {
  const { runtime, principal } = caller;
  const views = viewsOf(runtime);
  const route = views.resolve(asked);
  const { mode } = runtime.config.gateway;
  // Groups and virtual servers are there because somebody asked for them by name, in every mode.
  if (route.kind === 'server' ? mode === 'unified' : isUnified(route) && mode === 'routed') {
    const other = mode === 'routed' ? '/mcp/{server}' : '/mcp';
    throw new GatewayError('not_found', `The gateway runs in ${mode} mode; use ${other}.`);
  }
  try {
    return { route, view: views.view(principal, route) };
  } catch (error) {
    if (!views.exists(route)) throw error;
    const server = routeKey(route);
    return front
      .recordDenial({ ...caller, action: 'open', server, target: undefined, reason: NOT_FOR_HIM })
      .then(() => {
        throw error;
      });
  }
}

/** The same for a message that the fast path has read; found once for a head that is repeated by the same principal. */
export function placeOf(front: Front, { url, again }: WholeRequest, caller: Caller): Place | Promise<Place> {
  const { runtime, principal } = caller;
  const known = again && PLACES.get(again);
  if (known?.runtime === runtime && known.principal === principal) return known.place;
  const place = endpointOf(front, messageRoute(url), caller);
  if (again !== undefined && !(place instanceof Promise)) PLACES.set(again, { runtime, principal, place });
  return place;
}

type Place = Pick<Admitted, 'route' | 'view'>;

interface Known {
  readonly runtime: Runtime;
  readonly principal: Principal;
  readonly place: Place;
}

const PLACES = new WeakMap<object, Known>();

type Caller = Pick<Admitted, 'principal' | 'requestId' | 'address' | 'runtime'>;

function isUnified(route: Endpoint): boolean {
  return route.kind === 'unified' && route.group === undefined;
}

/** Without the query, and not too long. */
export function pathOnly(request: RequestHead): string {
  return (request.url ?? '').split('?')[0]?.slice(0, 200) ?? '';
}
