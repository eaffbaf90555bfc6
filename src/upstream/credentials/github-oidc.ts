/** Tokens that GitHub Actions gives to a job (`auth: github-oidc`), fetched when needed and kept until shortly before they expire. */
import { GatewayError } from '../../shared/errors.ts';
import type { Connector } from '../http/connector.ts';
import { discard } from '../http/discard.ts';
import { networkError } from '../http/http-errors.ts';
import { readText } from '../http/read-answer.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export interface GithubOidcOptions {
  /** Makes the connection to the token endpoint. */
  readonly connector: Connector;
  readonly env?: Environment;
  /** Milliseconds since 1970; for tests. */
  readonly now?: () => number;
}

interface Token {
  readonly value: string;
  /** Milliseconds since 1970 from which on a new one is fetched. */
  readonly refreshAt: number;
}

const REFRESH_BEFORE_EXPIRY_MS = 60_000;
const LIFETIME_OF_OPAQUE_TOKEN_MS = 5 * 60_000;
const FETCH_TIMEOUT_MS = 30_000;
const MAX_ANSWER_BYTES = 64 * 1024;
const URL_VARIABLE = 'ACTIONS_ID_TOKEN_REQUEST_URL';
const TOKEN_VARIABLE = 'ACTIONS_ID_TOKEN_REQUEST_TOKEN';

/**
 * What keeps `auth: github-oidc` from working here, as a sentence for the log at startup; undefined = nothing.
 * GitHub sets the variables only in jobs with the permission `id-token: write`.
 */
export function githubOidcProblem(env: Environment = process.env): string | undefined {
  const missing = [URL_VARIABLE, TOKEN_VARIABLE].filter((name) => (env[name] ?? '') === '');
  if (missing.length > 0) {
    return `auth "github-oidc" needs the environment variable${missing.length > 1 ? 's' : ''} ${missing.join(' and ')}; run in a GitHub Actions job with "permissions: id-token: write"`;
  }
  const url = env[URL_VARIABLE] ?? '';
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    return `the environment variable ${URL_VARIABLE} is not an http or https URL`;
  return undefined;
}

/** One for the whole gateway: servers with the same audience share a token. */
export class GithubOidcTokens {
  readonly #connector: Connector;
  readonly #env: Environment;
  readonly #now: () => number;
  /** By audience: the token, or the one fetch that everybody waits for. */
  readonly #tokens = new Map<string, Token>();
  readonly #fetches = new Map<string, Promise<Token>>();

  constructor({ connector, env = process.env, now = Date.now }: GithubOidcOptions) {
    this.#connector = connector;
    this.#env = env;
    this.#now = now;
  }

  /**
   * The value of the Authorization header for a server. `signal` ends the wait, not the fetch that others wait for too.
   * Rejects with server_auth_required or server_unavailable.
   */
  async authorization(server: string, audience: string, signal: AbortSignal): Promise<string> {
    signal.throwIfAborted();
    const kept = this.#tokens.get(audience);
    if (kept !== undefined && this.#now() < kept.refreshAt) return `Bearer ${kept.value}`;
    let fetching = this.#fetches.get(audience);
    if (fetching === undefined) {
      fetching = this.#fetch(server, audience).finally(() => this.#fetches.delete(audience));
      this.#fetches.set(audience, fetching);
    }
    const token = await unlessAborted(fetching, signal);
    return `Bearer ${token.value}`;
  }

  async #fetch(server: string, audience: string): Promise<Token> {
    const problem = githubOidcProblem(this.#env);
    if (problem !== undefined) throw refused(server, problem);
    const url = new URL(this.#env[URL_VARIABLE] ?? '');
    url.searchParams.set('audience', audience);
    const text = await this.#request(server, url);
    const value = tokenOf(text);
    if (value === undefined) throw refused(server, `the token endpoint ${url.host} answered without a token`);
    const token = { value, refreshAt: this.#refreshAt(value) };
    this.#tokens.set(audience, token);
    return token;
  }

  async #request(server: string, url: URL): Promise<string> {
    const peer = { server, url };
    try {
      const answer = await this.#connector.request({
        url,
        method: 'GET',
        headers: {
          accept: 'application/json',
          authorization: `Bearer ${this.#env[TOKEN_VARIABLE] ?? ''}`,
          'user-agent': 'gatehouse',
        },
        signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
        headersTimeoutMs: FETCH_TIMEOUT_MS,
        bodyTimeoutMs: FETCH_TIMEOUT_MS,
      });
      if (answer.status === 200) return await readText(answer, MAX_ANSWER_BYTES);
      discard(answer.body);
      throw refused(server, `the token endpoint ${url.host} answered HTTP ${answer.status}`);
    } catch (error) {
      throw networkError(error, peer);
    }
  }

  #refreshAt(token: string): number {
    const expiry = expiryOf(token);
    return expiry === undefined ? this.#now() + LIFETIME_OF_OPAQUE_TOKEN_MS : expiry - REFRESH_BEFORE_EXPIRY_MS;
  }
}

function refused(server: string, detail: string): GatewayError {
  return new GatewayError('server_auth_required', `The gateway has no credentials for the MCP server: ${detail}.`, {
    server,
    detail,
  });
}

/** `{"value": "<JWT>"}`; anything that could not stand in a header is no token. */
function tokenOf(text: string): string | undefined {
  const answer = parseObject(text);
  const value = answer?.['value'];
  return typeof value === 'string' && /^[\x21-\x7e]+$/.test(value) ? value : undefined;
}

/** Milliseconds since 1970. The signature is the server's business: the token is only passed on. */
function expiryOf(token: string): number | undefined {
  const payload = token.split('.')[1];
  if (payload === undefined) return undefined;
  const expiry = parseObject(Buffer.from(payload, 'base64url').toString())?.['exp'];
  return typeof expiry === 'number' && Number.isFinite(expiry) ? expiry * 1000 : undefined;
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
