/** The part of the composition root that finds out who calls: what authentication needs of the other rooms, and what follows when somebody may not call any more. */
import { isDeepStrictEqual } from 'node:util';
import { Authentication } from './auth/authentication.ts';
import type { Principal } from './auth/authenticator.ts';
import type { Config } from './config/config.ts';
import type { RecordDenial } from './proxy/denial.ts';
import type { WebSocketEndpoint } from './proxy/downstream/websocket.ts';
import type { SessionStore } from './proxy/session-store.ts';
import { renewSessions } from './proxy/sessions-after-reload.ts';
import type { OpenSubscriptions } from './proxy/open-subscriptions.ts';
import { type RecordStranger, StrangerLog } from './proxy/strangers.ts';
import type { CurrentRuntime } from './runtime/current.ts';
import type { ObjectReference, Store } from './store/store.ts';
import type { Telemetry } from './telemetry/log.ts';
import type { Identities } from './tls/identities.ts';
import { addressPolicyFor } from './runtime/allowed-places.ts';
import { Connector } from './upstream/http/connector.ts';
import { jsonFetcher } from './upstream/http/json-fetcher.ts';

const CONNECT_TIMEOUT_MS = 10_000;

export interface AuthenticationNeeds {
  /** As the gateway was started with. */
  readonly gateway: Config['gateway'];
  readonly store: Store | undefined;
  readonly identities: Identities;
  readonly telemetry: Telemetry;
  /** Where clients reach the gateway with this configuration. */
  readonly baseUrl: (config: Config) => string;
  /** What the processes of one gateway have in common. */
  readonly secret: Uint8Array;
}

/** Authentication with the connection over which it fetches keys; both end with `stack`. */
export function openAuthentication(
  { gateway, store, identities, telemetry, baseUrl, secret }: AuthenticationNeeds,
  stack: AsyncDisposableStack,
): Authentication {
  const way = { connectTimeoutMs: CONNECT_TIMEOUT_MS, identity: identities.plain() };
  const trusted = stack.use(new Connector(way));
  const guarded = stack.use(new Connector({ ...way, guard: { policy: addressPolicyFor(gateway) } }));
  const fetchJson = jsonFetcher({ trusted, guarded });
  return stack.use(new Authentication({ store, fetchJson, log: telemetry.log, baseUrl, subjectKey: secret }));
}

export interface OpenByPrincipal {
  readonly current: CurrentRuntime;
  readonly sessions: SessionStore;
  readonly webSockets: WebSocketEndpoint;
  readonly subscriptions: OpenSubscriptions;
}

/** Whoever is locked out loses at once what is open; whose rights have changed goes on with those of now. */
export function followCredentials(authentication: Authentication, open: OpenByPrincipal): void {
  const { current, sessions, webSockets, subscriptions } = open;
  authentication.onChange(() => {
    const { runtime } = current;
    const remains = (principal: Principal): boolean => runtime.authenticator.knows(principal);
    for (const session of sessions.all()) {
      const now = authentication.principal(session.caller);
      // Also while something is being worked on for it: what is revoked is revoked.
      if (!remains(session.caller)) void sessions.end(session);
      else if (now !== undefined) session.caller = now;
    }
    renewSessions(sessions, runtime);
    webSockets.endLost(remains);
    subscriptions.endWhere(({ principal }) => {
      const now = authentication.principal(principal);
      return !remains(principal) || (now !== undefined && !haveSameRights(now, principal));
    });
  });
}

function haveSameRights(one: Principal, other: Principal): boolean {
  const { certificate: _one, ...rights } = one;
  const { certificate: _other, ...others } = other;
  return isDeepStrictEqual(rights, others);
}

/** Without a store the log has to do. */
export function denialRecorder(store: Store | undefined, log: Telemetry['log']): RecordDenial {
  return async ({ principal, requestId, address, action, server, target, reason }) => {
    log.warn({ requestId, principal: principal.subject, action, server, target, reason }, 'denied');
    try {
      await store?.recordDenial({
        actor: { subject: principal.subject, user: principal.user, requestId, address },
        action,
        object: server === undefined && target === undefined ? undefined : objectOf(action, server, target),
        reason,
      });
    } catch (error) {
      log.error({ err: error, requestId }, 'a denial could not be written into the audit log');
    }
  };
}

/** Without a store the log has to do, which has every refused request anyway. What is only counted at the end is written with `stack`. */
export function strangerRecorder(
  store: Store | undefined,
  log: Telemetry['log'],
  stack: AsyncDisposableStack,
): RecordStranger {
  if (store === undefined) return async () => undefined;
  const write: RecordStranger = async ({ requestId, address, action, reason }) => {
    try {
      const actor = { subject: 'anonymous', user: undefined, requestId, address };
      await store.recordDenial({ actor, action, object: undefined, reason });
    } catch (error) {
      log.error({ err: error, requestId }, 'a denial could not be written into the audit log');
    }
  };
  return stack.use(new StrangerLog({ write })).record;
}

function objectOf(action: string, server: string | undefined, target: string | undefined): ObjectReference {
  if (target === undefined) return { kind: 'gateway', id: server ?? '', name: server };
  const kind = action.startsWith('resources/') ? 'resource' : action.startsWith('prompts/') ? 'prompt' : 'tool';
  return { kind, id: server === undefined ? target : `${server}/${target}`, name: target };
}
