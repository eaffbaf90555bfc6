/** Authentication as a gateway has it, asked with requests that no socket has carried. */
import type { IncomingMessage } from 'node:http';
import { pino } from 'pino';
import type { Config } from '../../src/config/config.ts';
import type { AuthConfig, JwtIssuerConfig } from '../../src/config/auth-config.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { Store } from '../../src/store/store.ts';
import { Authentication } from '../../src/auth/authentication.ts';
import type { Principal } from '../../src/auth/authenticator.ts';
import type { FetchJson } from '../../src/auth/jwt/key-set.ts';

export const RESOURCE = 'https://gateway.example.com';

export interface RigOptions {
  readonly issuers?: readonly Partial<JwtIssuerConfig>[];
  readonly agentIds?: readonly string[];
  readonly store?: Store;
  readonly fetchJson?: FetchJson;
  /** ms since the epoch. */
  readonly now?: () => number;
  readonly errors?: unknown[];
}

export interface Asked {
  /** Value of the Authorization header. */
  readonly authorization?: string | undefined;
  readonly url?: string;
  readonly address?: string;
}

export class AuthenticationRig implements AsyncDisposable {
  readonly authentication: Authentication;
  #config: Config;

  constructor(authentication: Authentication, config: Config) {
    this.authentication = authentication;
    this.#config = config;
  }

  /** Rejects with what a client would be told. */
  async ask(asked: Asked): Promise<Principal> {
    const authenticator = await this.authentication.authenticatorFor(this.#config);
    this.authentication.use(authenticator);
    return authenticator.authenticate(requestOf(asked));
  }

  /** What a reload does that trusts these issuers, and no others. */
  async trust(issuers: readonly Partial<JwtIssuerConfig>[]): Promise<void> {
    const { gateway } = this.#config;
    this.#config = { ...this.#config, gateway: { ...gateway, auth: authOf(issuers) } };
    this.authentication.use(await this.authentication.authenticatorFor(this.#config));
  }

  /** `accepted`, or the code of the refusal. */
  async outcome(asked: Asked): Promise<string> {
    return this.ask(asked).then(
      () => 'accepted',
      (error: unknown) => (error instanceof Error && 'code' in error ? String(error.code) : 'no code'),
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.authentication[Symbol.asyncDispose]();
  }
}

export async function startRig({ issuers = [], agentIds = [], store, fetchJson, now, errors = [] }: RigOptions) {
  const log = pino({ level: 'silent' });
  const authentication = new Authentication({
    store,
    fetchJson: fetchJson ?? (() => Promise.reject(new Error('nothing may be fetched'))),
    log: {
      info: log.info.bind(log),
      warn: log.warn.bind(log),
      error: (...given: unknown[]) => void errors.push(given),
    },
    baseUrl: () => RESOURCE,
    ...(now && { now }),
  });
  return new AuthenticationRig(authentication, await configWith(authOf(issuers), agentIds));
}

function authOf(issuers: readonly Partial<JwtIssuerConfig>[]): AuthConfig {
  return { resource: undefined, offlineGraceMs: undefined, issuers: issuers.map(issuerOf) };
}

function issuerOf(given: Partial<JwtIssuerConfig>): JwtIssuerConfig {
  return {
    issuer: 'https://issuer.example.com',
    audiences: [],
    algorithms: undefined,
    keys: { kind: 'discovery' },
    userClaim: 'email',
    rolesClaim: 'roles',
    roles: [],
    scopes: 'narrow',
    ...given,
  };
}

async function configWith(auth: AuthConfig, agentIds: readonly string[]): Promise<Config> {
  const source = { kind: 'toml', name: 'test.toml', text: '[servers]\n' } as const;
  const result = await loadConfig({ source, env: {}, hasStore: true, overrides: {} });
  if (!result.ok) throw new Error(JSON.stringify(result.errors));
  const { config } = result;
  return { ...config, gateway: { ...config.gateway, auth, agentIds } };
}

/** What authentication looks at. */
function requestOf({ authorization, url = '/mcp', address = '127.0.0.1' }: Asked): IncomingMessage {
  const request = {
    url,
    headers: authorization === undefined ? {} : { authorization },
    rawHeaders: authorization === undefined ? [] : ['Authorization', authorization],
    socket: { remoteAddress: address },
  };
  return request as unknown as IncomingMessage;
}
