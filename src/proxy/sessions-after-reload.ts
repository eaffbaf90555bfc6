/** What a new Runtime means for the sessions that are open: which of them end, and which hear of it. */
import { notificationText, parseMessage } from '../mcp/message.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { routeKey } from './route.ts';
import type { SessionStore } from './session-store.ts';

const LISTS = ['tools', 'prompts', 'resources'] as const;

/**
 * Ends sessions whose route or whose principal is no more: their next request is answered with 404 or 401, and their
 * streams must not outlive that. Those with requests in flight stay until the next call of this function.
 */
export function endLostSessions(sessions: SessionStore, { config, authenticator, pools }: Runtime): void {
  const { mode } = config.gateway;
  const routes = new Set<string>(mode === 'routed' ? [] : [routeKey({ kind: 'unified', group: undefined })]);
  for (const group of Object.keys(config.gateway.groups)) routes.add(routeKey({ kind: 'unified', group }));
  if (mode !== 'unified') for (const server of pools.keys()) routes.add(routeKey({ kind: 'server', server }));
  for (const session of sessions.all()) {
    if (session.working || (routes.has(session.routeKey) && authenticator.knows(session.principal))) continue;
    void sessions.end(session);
  }
}

/** Ends the sessions of those who may not call any more, whatever they are doing. */
export function endSessionsOfLost(sessions: SessionStore, remains: (principal: string) => boolean): void {
  for (const session of sessions.all()) if (!remains(session.principal)) void sessions.end(session);
}

/** Sessions on the unified endpoint learn that servers have come or gone. */
export function announceServers(sessions: SessionStore): void {
  const notices = LISTS.map((list) => parseMessage(notificationText(`notifications/${list}/list_changed`)));
  for (const session of sessions.all()) {
    if (!session.unified) continue;
    for (const notice of notices) session.onNotification('', notice);
  }
}
