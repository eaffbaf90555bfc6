/** A gateway over a store, with users who have different roles, and how they ask it. */
import { fetch } from 'undici';
import { mintToken } from '../../../src/auth/mint-token.ts';
import type { Store, TokenRecord } from '../../../src/store/store.ts';
import { TEST_ACTOR } from '../../rig/store.ts';

const NO_LIMITS = {
  permissions: undefined,
  virtualServers: undefined,
  teams: undefined,
  addresses: undefined,
  hours: undefined,
  expiresAt: undefined,
} as const satisfies Partial<TokenRecord>;

type Limits = Partial<Pick<TokenRecord, keyof typeof NO_LIMITS>>;

export interface Person {
  readonly token: string;
  readonly id: string;
}

/** A token of a user, who is made with these roles when he is new. */
export async function person(
  store: Store,
  user: string,
  roles: readonly string[] = [],
  limits: Limits = {},
): Promise<Person> {
  const { text, record } = await mintToken(store, { ...NO_LIMITS, ...limits, name: user, user, roles }, TEST_ACTOR);
  return { token: text, id: record.id };
}

export interface Told {
  readonly status: number;
  readonly challenge: string | null;
  readonly body: Readonly<Record<string, unknown>>;
}

/** One request with a body of JSON, or none. Without a token it says nothing of who asks. */
export async function ask(
  method: string,
  url: string,
  token: string | undefined,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Told> {
  const response = await fetch(url, {
    method,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const parsed: unknown = text.startsWith('{') ? JSON.parse(text) : {};
  return {
    status: response.status,
    challenge: response.headers.get('www-authenticate'),
    body: Object(parsed) as Told['body'],
  };
}

/** One MCP request without a session. */
export function rpc(url: string, token: string | undefined, method: string, params: unknown = {}): Promise<Told> {
  return ask('POST', url, token, { jsonrpc: '2.0', id: 1, method, params }, { accept: 'application/json' });
}
