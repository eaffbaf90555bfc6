/** `gatehouse serve` over a store, as a process, with tokens for its management API. */
import { readFileSync } from 'node:fs';
import { Agent, fetch, type RequestInit } from 'undici';
import { mintToken } from '../../src/auth/mint-token.ts';
import { openStore } from '../../src/store/open-store.ts';
import { type GatewayProcess, runMain } from './gateway-process.ts';
import { TEST_ACTOR, type TemporaryStore } from './store.ts';

type Json = Readonly<Record<string, unknown>>;

export interface ManagedOptions {
  readonly store: Pick<TemporaryStore, 'env' | 'location'>;
  /** Of `serve`; `--listen 127.0.0.1:0` is added unless it is among them. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** What stdin gives, for `--config-stdin`. */
  readonly config?: Json;
  /** PEM file of the authority that issued the certificate of the listener; it then speaks HTTPS. */
  readonly ca?: string;
}

export interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Json;
}

export interface ManagedGateway extends GatewayProcess {
  readonly origin: string;
  /** Token of a user who may do everything. */
  readonly token: string;
  /** Token of a new user with these roles. */
  tokenFor(user: string, ...roles: readonly string[]): Promise<string>;
  /** One request to the management API or to an endpoint, by default as the user who may do everything. */
  call(method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<Answered>;
  /** One request without a session to an endpoint; its result, or the error. */
  rpc(path: string, method: string, params?: Json, token?: string): Promise<Json>;
}

/** Waits until it serves. */
export async function startManaged(options: ManagedOptions): Promise<ManagedGateway> {
  const { store, args = [], env = {}, config, ca } = options;
  const tokenFor = async (user: string, ...roles: readonly string[]): Promise<string> => {
    await using opened = await openStore(store.location);
    const limits = { permissions: undefined, virtualServers: undefined, teams: undefined, addresses: undefined };
    const wish = { name: `test ${user}`, user, roles, ...limits, hours: undefined, expiresAt: undefined };
    return (await mintToken(opened, wish, TEST_ACTOR)).text;
  };
  const token = await tokenFor('admin@example.com', 'admin');
  const listen = args.includes('--listen') ? [] : ['--listen', '127.0.0.1:0'];
  const stdin = config === undefined ? [] : ['--config-stdin'];
  const gateway = runMain(['serve', ...stdin, ...listen, ...args], config === undefined ? '' : JSON.stringify(config), {
    ...store.env,
    ...env,
  });
  const agent = ca === undefined ? new Agent() : new Agent({ connect: { ca: readFileSync(ca) } });
  void gateway.exited.then(() => agent.destroy());
  let origin: string;
  try {
    origin = await gateway.until((process) => {
      const line = process.logs().find(({ msg }) => typeof msg === 'string' && msg.startsWith('Starting MCPG'));
      return typeof line?.['url'] === 'string' ? line['url'] : undefined;
    });
  } catch (error) {
    await gateway.stop();
    throw error;
  }
  const request = async (path: string, init: RequestInit): Promise<Answered> => {
    const response = await fetch(`${origin}${path}`, { ...init, dispatcher: agent });
    const text = await response.text();
    const body: Json = text === '' ? {} : (JSON.parse(text) as Json);
    return { status: response.status, headers: response.headers, body };
  };
  return Object.assign(gateway, {
    origin,
    token,
    tokenFor,
    call: (method: string, path: string, body?: unknown, headers: Readonly<Record<string, string>> = {}) =>
      request(path, {
        method,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    rpc: async (path: string, method: string, params: Json = {}, as = token) => {
      const answer = await request(path, {
        method: 'POST',
        headers: { authorization: `Bearer ${as}`, 'content-type': 'application/json' },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
      });
      return answer.body;
    },
  });
}
