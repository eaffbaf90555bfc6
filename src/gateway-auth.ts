/** The part of the composition root that finds out who calls: what authentication needs of the other rooms, and what follows when somebody may not call any more. */
import { isDeepStrictEqual } from 'node:util';
import { Authentication } from './auth/authentication.ts';
import type { Authenticator, Principal } from './auth/authenticator.ts';
import type { FetchJson } from './auth/jwt/key-set.ts';
import type { Config } from './config/config.ts';
import type { RecordDenial } from './proxy/denial.ts';
import type { WebSocketEndpoint } from './proxy/downstream/websocket.ts';
import type { SessionStore } from './proxy/session-store.ts';
import { renewSessions } from './proxy/sessions-after-reload.ts';
import type { OpenSubscriptions } from './proxy/open-subscriptions.ts';
import { addressPolicyFor } from './runtime/allowed-places.ts';
import type { CurrentRuntime } from './runtime/current.ts';
import type { ObjectReference, Store } from './store/store.ts';
import type { Telemetry } from './telemetry/log.ts';
import type { Identities } from './tls/identities.ts';
import { Connector } from './upstream/http/connector.ts';
import { jsonFetcher } from './upstream/http/json-fetcher.ts';

const CONNECT_TIMEOUT_MS = 10_000;

export interface AuthenticationNeeds {
  readonly store: Store | undefined;
  /** What the gateway starts with. */
  readonly config: Config;
  readonly identities: Identities;
  readonly telemetry: Telemetry;
  /** Where clients reach the gateway with this configuration. */
  readonly baseUrl: (config: Config) => string;
}

export interface OpenedAuthentication {
  readonly authentication: Authentication;
  readonly authenticatorFor: (config: Config) => Promise<Authenticator>;
}

/** Authentication with the connections over which it fetches keys; all of it ends with `stack`. */
export function openAuthentication(
  { store, config, identities, telemetry, baseUrl }: AuthenticationNeeds,
  stack: AsyncDisposableStack,
): OpenedAuthentication {
  let policy = addressPolicyFor(config.gateway);
  const options = { connectTimeoutMs: CONNECT_TIMEOUT_MS, identity: identities.plain() };
  const fetchPlain = jsonFetcher(stack.use(new Connector(options)));
  const guard = {
    get policy() {
      return policy;
    },
  };
  const fetchGuarded = jsonFetcher(stack.use(new Connector({ ...options, guard })));
  const fetchJson: FetchJson = (url, namedBy) => (namedBy === 'operator' ? fetchPlain(url) : fetchGuarded(url));
  const authentication = stack.use(new Authentication({ store, fetchJson, log: telemetry.log, baseUrl }));
  return {
    authentication,
    authenticatorFor(next) {
      policy = addressPolicyFor(next.gateway);
      return authentication.authenticatorFor(next);
    },
  };
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
    const remains = (subject: string): boolean => runtime.authenticator.knows(subject);
    for (const session of sessions.all()) {
      const now = authentication.principal(session.principal);
      // Also while something is being worked on for it: what is revoked is revoked.
      if (!remains(session.principal)) void sessions.end(session);
      else if (now !== undefined) session.caller = now;
    }
    renewSessions(sessions, runtime);
    webSockets.endLost(remains);
    subscriptions.endWhere(({ principal }) => {
      const now = authentication.principal(principal.subject);
      return !remains(principal.subject) || (now !== undefined && !haveSameRights(now, principal));
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

function objectOf(action: string, server: string | undefined, target: string | undefined): ObjectReference {
  if (target === undefined) return { kind: 'gateway', id: server ?? '', name: server };
  const kind = action.startsWith('resources/') ? 'resource' : action.startsWith('prompts/') ? 'prompt' : 'tool';
  return { kind, id: server === undefined ? target : `${server}/${target}`, name: target };
}
