import type { ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { GithubOidcTokens, githubOidcProblem } from '../../../src/upstream/credentials/github-oidc.ts';
import { Connector } from '../../../src/upstream/http/connector.ts';
import { handshake, idOf, json, openWire, serveHttp, type Handler, type TestServer } from './harness.ts';

const AUTH = { type: 'github-oidc', audience: 'https://mcp.example/' } as const;
const never = new AbortController().signal;

function jwt(claims: object): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'none' })}.${part(claims)}.signature`;
}

function environment(endpoint: TestServer): Record<string, string> {
  return {
    ACTIONS_ID_TOKEN_REQUEST_URL: `http://127.0.0.1:${endpoint.port}/token?api-version=2.0`,
    ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'request-token',
  };
}

const tokens =
  (token: (n: number) => string): Handler =>
  (request, response) =>
    json(response, { count: 1, value: token(Number(request.headers['x-n'] ?? 0)) });

describe('auth: github-oidc', () => {
  it('asks with the audience and the request token, and sends the token with every request instead of a configured Authorization', async () => {
    const token = jwt({ exp: Math.floor(Date.now() / 1000) + 600 });
    await using endpoint = await serveHttp(tokens(() => token));
    await using server = await serveHttp((request, response) => {
      if (request.method !== 'POST') return void response.writeHead(405).end();
      return json(response, { jsonrpc: '2.0', id: idOf(request) ?? null, result: {} }, { 'mcp-session-id': 's-1' });
    });
    await using wire = await openWire(server.url, {
      config: { auth: AUTH, headers: { Authorization: 'Bearer static', 'X-Other': 'kept' } },
      env: environment(endpoint),
    });
    await handshake(wire);
    void wire.transport.listen?.();
    await expect.poll(() => server.requests.length).toBe(3);
    await wire.transport.close();
    expect(server.requests.map(({ method }) => method)).toEqual(['POST', 'POST', 'GET', 'DELETE']);
    for (const { headers } of server.requests)
      expect(headers).toMatchObject({ authorization: `Bearer ${token}`, 'x-other': 'kept' });
    expect(endpoint.requests).toHaveLength(1);
    expect(endpoint.requests[0]).toMatchObject({
      method: 'GET',
      path: '/token?api-version=2.0&audience=https%3A%2F%2Fmcp.example%2F',
      headers: { authorization: 'Bearer request-token' },
    });
  });

  it('keeps a token for each audience until 60 s before it expires', async () => {
    let now = 1_000_000_000_000;
    let issued = 0;
    await using endpoint = await serveHttp(tokens(() => jwt({ n: ++issued, exp: now / 1000 + 600 })));
    await using connector = new Connector({ connectTimeoutMs: 30_000, identity: undefined });
    const source = new GithubOidcTokens({ connector, env: environment(endpoint), now: () => now });
    const first = await source.authorization('a', 'one', never);
    expect(await source.authorization('b', 'one', never)).toBe(first);
    expect(await source.authorization('b', 'two', never)).not.toBe(first);
    now += 539_000;
    expect(await source.authorization('a', 'one', never)).toBe(first);
    now += 1_000;
    expect(await source.authorization('a', 'one', never)).not.toBe(first);
    expect(issued).toBe(3);
  });

  it('keeps a token that it cannot read for five minutes', async () => {
    let now = 0;
    let issued = 0;
    await using endpoint = await serveHttp(tokens(() => `opaque-${++issued}`));
    await using connector = new Connector({ connectTimeoutMs: 30_000, identity: undefined });
    const source = new GithubOidcTokens({ connector, env: environment(endpoint), now: () => now });
    expect(await source.authorization('a', 'one', never)).toBe('Bearer opaque-1');
    now = 299_999;
    expect(await source.authorization('a', 'one', never)).toBe('Bearer opaque-1');
    now = 300_000;
    expect(await source.authorization('a', 'one', never)).toBe('Bearer opaque-2');
  });

  it('asks once for all who wait at the same time; one who stops waiting does not spoil it for the others', async () => {
    const held: ServerResponse[] = [];
    await using endpoint = await serveHttp((_request, response) => void held.push(response));
    await using connector = new Connector({ connectTimeoutMs: 30_000, identity: undefined });
    const source = new GithubOidcTokens({ connector, env: environment(endpoint) });
    const cancel = new AbortController();
    const impatient = source.authorization('a', 'one', cancel.signal);
    const patient = [1, 2, 3].map(() => source.authorization('a', 'one', never));
    await expect.poll(() => held.length).toBe(1);
    cancel.abort(new Error('no longer wanted'));
    await expect(impatient).rejects.toThrow('no longer wanted');
    for (const response of held) json(response, { value: 'token' });
    expect(await Promise.all(patient)).toEqual(['Bearer token', 'Bearer token', 'Bearer token']);
    expect(endpoint.requests).toHaveLength(1);
  });

  it('a failure is told to all who wait and forgotten, so that the next one asks again', async () => {
    let status = 500;
    await using endpoint = await serveHttp((_request, response) => json(response, { value: 'token' }, {}, status));
    await using connector = new Connector({ connectTimeoutMs: 30_000, identity: undefined });
    const source = new GithubOidcTokens({ connector, env: environment(endpoint) });
    const failures = await Promise.allSettled([
      source.authorization('a', 'one', never),
      source.authorization('a', 'one', never),
    ]);
    for (const failure of failures) {
      expect(failure).toMatchObject({
        reason: {
          code: 'server_auth_required',
          detail: `the token endpoint 127.0.0.1:${endpoint.port} answered HTTP 500`,
        },
      });
    }
    status = 200;
    expect(await source.authorization('a', 'one', never)).toBe('Bearer token');
  });

  it.each([
    ['no JSON', 'hello'],
    ['no value', '{"count":1}'],
    ['a value that cannot stand in a header', '{"value":"a\\r\\nb"}'],
    ['null', 'null'],
  ])('refuses an answer with %s', async (_name, body) => {
    await using endpoint = await serveHttp((_request, response) => void response.end(body));
    await using connector = new Connector({ connectTimeoutMs: 30_000, identity: undefined });
    const source = new GithubOidcTokens({ connector, env: environment(endpoint) });
    await expect(source.authorization('a', 'one', never)).rejects.toMatchObject({
      code: 'server_auth_required',
      detail: `the token endpoint 127.0.0.1:${endpoint.port} answered without a token`,
    });
  });

  it('without the variables of GitHub Actions: a sentence for startup, and an error at first use without any request', async () => {
    expect(githubOidcProblem({})).toBe(
      'auth "github-oidc" needs the environment variables ACTIONS_ID_TOKEN_REQUEST_URL and ACTIONS_ID_TOKEN_REQUEST_TOKEN; run in a GitHub Actions job with "permissions: id-token: write"',
    );
    expect(
      githubOidcProblem({ ACTIONS_ID_TOKEN_REQUEST_URL: 'https://x.example', ACTIONS_ID_TOKEN_REQUEST_TOKEN: '' }),
    ).toContain('variable ACTIONS_ID_TOKEN_REQUEST_TOKEN;');
    expect(githubOidcProblem({ ACTIONS_ID_TOKEN_REQUEST_URL: 'x', ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'y' })).toContain(
      'is not an http or https URL',
    );
    expect(
      githubOidcProblem({ ACTIONS_ID_TOKEN_REQUEST_URL: 'https://x.example', ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'y' }),
    ).toBeUndefined();

    await using server = await serveHttp((_request, response) => void response.end());
    await using wire = await openWire(server.url, { config: { auth: AUTH }, env: {} });
    await expect(wire.call(1, 'ping')).rejects.toMatchObject({
      code: 'server_auth_required',
      detail: expect.stringContaining('ACTIONS_ID_TOKEN_REQUEST_URL') as unknown,
    });
    expect(server.connections()).toBe(0);
  });

  it('never lets the request token follow a redirect to another origin, or into an error', async () => {
    await using other = await serveHttp((_request, response) => json(response, { value: 'x' }));
    await using endpoint = await serveHttp(
      (_request, response) => void response.writeHead(307, { location: other.url }).end(),
    );
    await using connector = new Connector({ connectTimeoutMs: 30_000, identity: undefined });
    const source = new GithubOidcTokens({ connector, env: environment(endpoint) });
    const failure: unknown = await source.authorization('a', 'one', never).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'server_protocol_error' });
    expect(JSON.stringify(failure) + String(failure)).not.toContain('request-token');
    expect(other.connections()).toBe(0);
  });
});
