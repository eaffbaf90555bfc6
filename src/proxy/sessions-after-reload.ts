/** What a new Runtime means for the sessions and subscriptions that are open: which of them end, and which hear of it. */
import type { Runtime } from '../runtime/runtime.ts';
import type { Endpoint } from './route.ts';
import { moveToView } from './session-view.ts';
import type { SessionStore } from './session-store.ts';
import type { Session } from './session.ts';
import type { OpenSubscriptions } from './open-subscriptions.ts';
import type { View } from './view/view.ts';
import { viewsOf } from './view/views.ts';

/**
 * Ends sessions whose route or whose principal is no more, or for whom the route does not exist any more: their next
 * request is answered with 404 or 401, and their streams must not outlive that. Those with requests in flight stay until
 * the next call of this function. The others go on with what exists for them now.
 */
export function renewSessions(sessions: SessionStore, runtime: Runtime): void {
  for (const session of sessions.all()) {
    const view = viewNow(session, runtime);
    if (view !== undefined) moveToView(session, view);
    else if (!session.working) void sessions.end(session);
    // A request that was under way may have brought back a server that does not exist any more for its principal.
    if (view?.restricted === true) leaveHidden(session, view, runtime);
  }
}

/** Subscriptions of modern clients follow in the same way. */
export function renewSubscriptions(subscriptions: OpenSubscriptions, runtime: Runtime): void {
  subscriptions.renew((exchange) => viewNow({ ...exchange, caller: exchange.principal }, runtime));
}

function leaveHidden(session: Session, view: View, { pools }: Runtime): void {
  for (const pool of pools.values()) {
    if (!view.pools.has(pool.name) && pool.routing.has(session)) void pool.detach(session).catch(() => undefined);
  }
}

function isUnified(route: Endpoint): boolean {
  return route.kind === 'unified' && route.group === undefined;
}

/** What exists for somebody in this Runtime; undefined when not even the endpoint does. */
function viewNow({ route, caller }: Pick<Session, 'route' | 'caller'>, runtime: Runtime): View | undefined {
  const { mode } = runtime.config.gateway;
  if (!runtime.authenticator.knows(caller)) return undefined;
  if (route.kind === 'server' ? mode === 'unified' : isUnified(route) && mode === 'routed') return undefined;
  try {
    return viewsOf(runtime).view(caller, route);
  } catch {
    return undefined;
  }
}
