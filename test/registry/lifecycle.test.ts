/** What becomes of registered servers: what is refused, how they are changed, who sees them, and what a file does to them. */
import { describe, expect, it, vi } from 'vitest';
import { type Answered, startManaged } from '../rig/managed-gateway.ts';
import type { Pki } from '../rig/pki.ts';
import { startHttpFixture, startSseFixture } from '../rig/servers.ts';
import { openTemporaryStore } from '../rig/store.ts';
import { startStrictServer } from '../tls/strict-server.ts';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Json, pathOf, type Registry, useRegistry } from './use-registry.ts';
import { freePort } from '../../scripts/setup/free-port.ts';

const registry = useRegistry();
const register: Registry['register'] = async (body, headers) => registry.register(body, headers);
const names = async (): Promise<readonly unknown[]> => {
  const { body } = await registry.gateway.call('GET', '/v1/gateways?limit=500');
  return (body['items'] as readonly Json[]).map((item) => item['name']);
};
const tools = async (token?: string): Promise<string> =>
  JSON.stringify(await registry.gateway.rpc('/mcp', 'tools/list', {}, token));

describe('material is checked before anything is stored', () => {
  const tls = (fields: Json): Promise<Answered> => register({ url: 'https://localhost:9/mcp', tls: fields });

  it.each<[string, (pki: Pki) => Json, string, RegExp]>([
    ['a certificate without its key', ({ ca }) => ({ cert: ca.cert }), '/tls/cert', /without 'key'/],
    ['a key without its certificate', ({ ca }) => ({ key: ca.key }), '/tls/key', /without 'cert'/],
    [
      'a key that belongs to another certificate',
      (own) => ({ cert: own.issue('one').cert, key: own.issue('two').key }),
      '/tls/key',
      /does not belong/,
    ],
    [
      'a certificate that has expired',
      (own) => {
        const { cert, key } = own.issue('old', { fromDays: -10, untilDays: -1 });
        return { cert, key };
      },
      '/tls/cert',
      /has expired/,
    ],
    ['PEM text that is none', () => ({ ca: '-----BEGIN CERTIFICATE-----\nnonsense' }), '/tls/ca', /cut off/],
    ['a file that does not exist', (own) => ({ ca: own.path('nothing.crt') }), '/tls/ca', /does not exist/],
    ['a file outside the allowed directories', () => ({ ca: '/etc/hostname' }), '/tls/ca', /not below one of/],
    [
      'a way out of the allowed directories',
      (own) => ({ ca: `${own.folder}/../x.crt` }),
      '/tls/ca',
      /not below one of/,
    ],
  ])('refuses %s, and says which field', async (_title, fields, pointer, detail) => {
    const answer = await tls(fields(registry.pki));
    expect(answer).toMatchObject({ status: 422, body: { code: 'invalid_input' } });
    const [error] = answer.body['errors'] as readonly Json[];
    expect(error).toMatchObject({ pointer, remedy: expect.any(String) as string });
    expect(String(error?.['detail'])).toMatch(detail);
    expect(await names()).not.toContain(registry.name);
  });

  it('takes PEM text in place of paths, and never shows a key again', async () => {
    const { cert, key } = registry.pki.issue('Client');
    const texts = { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
    const answer = await registry.gateway.call(
      'POST',
      '/gateways',
      {
        name: registry.name,
        url: 'https://localhost:9/mcp',
        ca_certificate: readFileSync(registry.pki.ca.cert, 'utf8'),
        client_cert: texts.cert,
        client_key: texts.key,
      },
      { prefer: 'respond-async' },
    );
    expect(answer).toMatchObject({
      status: 202,
      body: { tls: { cert: texts.cert, key: '*****' }, status: { state: 'pending' } },
    });
    expect(JSON.stringify((await registry.gateway.call('GET', pathOf(answer))).body)).not.toContain('PRIVATE KEY');
    await registry.gateway.call('DELETE', pathOf(answer));
  });
});

describe('what cannot be registered', () => {
  it.each<[string, Json, string]>([
    ['a host command', { command: 'sh', args: ['-c', 'id'] }, '/command'],
    ['a URL that is none', { url: 'ftp://example.com' }, '/url'],
    ['a name that cannot stand in a URL', { name: 'a/b', url: 'http://127.0.0.1:9/mcp' }, '/name'],
    ['a field that nobody knows', { url: 'http://127.0.0.1:9/mcp', timeout: 5 }, '/timeout'],
    ['credentials of the gateway itself', { url: 'http://127.0.0.1:9/mcp', auth: { type: 'github-oidc' } }, '/auth'],
    ['a header of the connection', { url: 'http://127.0.0.1:9/mcp', headers: { Host: 'x' } }, '/headers/Host'],
    [
      'to pass credentials on',
      { url: 'http://127.0.0.1:9/mcp', passthrough_headers: ['Authorization'] },
      '/passthroughHeaders/0',
    ],
    ['a query that could not be encrypted', { url: 'http://127.0.0.1:9/mcp?k=one&k=two' }, '/url'],
    ['a parameter in two places', { url: 'http://127.0.0.1:9/mcp?k=one', query: { k: 'two' } }, '/url'],
    ['OAuth of ContextForge', { url: 'http://127.0.0.1:9/mcp', auth_type: 'oauth' }, '/auth_type'],
    ['a variable in an argument', { container: 'mcp/time', args: ['-e', 'TOKEN=x'] }, '/args/0'],
  ])('%s', async (_title, body, pointer) => {
    const answer = await register(body);
    expect(answer.status).toBe(422);
    const pointers = (answer.body['errors'] as readonly Json[]).map((error) => error['pointer']);
    expect(pointers).toContain(pointer);
  });

  it('without the permission for containers, and without any', async () => {
    const operator = await registry.gateway.tokenFor('operator@example.com', 'operator');
    const viewer = await registry.gateway.tokenFor('viewer@example.com', 'viewer');
    const as = (token: string): Readonly<Record<string, string>> => ({ authorization: `Bearer ${token}` });
    expect((await register({ container: 'mcp/time' }, as(operator))).status).toBe(403);
    expect((await register({ url: 'http://127.0.0.1:9/mcp' }, as(viewer))).status).toBe(403);
    expect((await registry.gateway.call('GET', '/v1/audit', undefined, as(operator))).status).not.toBe(200);
  });

  it('expressions are not replaced: nobody reads the environment of the gateway with them', async () => {
    await using server = await startHttpFixture({ requireHeader: 'X-Text: ${HOME}' });
    const answer = await register({ url: server.url, headers: { 'X-Text': '${HOME}' } });
    expect(answer.status).toBe(201);
    await registry.gateway.call('DELETE', pathOf(answer));
  });
});

describe('a server that cannot be reached is not stored', () => {
  it.each<[string, () => Promise<{ readonly url: string } & AsyncDisposable>, string]>([
    [
      'nothing listens',
      async () => ({ url: 'http://127.0.0.1:9/mcp', [Symbol.asyncDispose]: async () => undefined }),
      'transport',
    ],
    ['it wants credentials', async () => startHttpFixture({ unauthorized: true }), 'auth'],
    ['it is no MCP server', startSomething, 'protocol'],
  ])('%s', async (_title, start, reason) => {
    await using server = await start();
    const answer = await register({ url: server.url });
    expect(answer).toMatchObject({ status: 502, body: { code: 'registration_failed', reason, server: registry.name } });
    expect(await names()).not.toContain(registry.name);
    // The name is free again.
    await using good = await startHttpFixture();
    const second = await register({ url: good.url });
    expect(second.status).toBe(201);
    await registry.gateway.call('DELETE', pathOf(second));
  });

  it('and with Prefer: respond-async it is tried until it is there', async () => {
    // A port that nobody else gets meanwhile.
    const first = await startHttpFixture({ port: await freePort() });
    const { port, url } = first;
    await first[Symbol.asyncDispose]();
    const answer = await register({ url }, { prefer: 'respond-async' });
    expect(answer).toMatchObject({ status: 202, body: { status: { state: 'pending', reachable: false } } });
    await using _later = await startHttpFixture({ port });
    await vi.waitFor(
      async () => {
        const { body } = await registry.gateway.call('GET', pathOf(answer));
        expect(body['status']).toMatchObject({ state: 'active', reachable: true });
      },
      { timeout: 20_000, interval: 100 },
    );
    await registry.gateway.call('DELETE', pathOf(answer));
  });
});

/** Speaks HTTP, and not MCP. */
async function startSomething(): Promise<{ readonly url: string } & AsyncDisposable> {
  const server = createServer(
    (_request, response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<p>'),
  );
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe('the words of ContextForge', () => {
  it('a bearer token reaches the server, is masked in answers, and stays when its mask is sent back', async () => {
    await using server = await startHttpFixture({ requireHeader: 'Authorization: Bearer s3cret-of-the-server' });
    const created = await registry.gateway.call('POST', '/gateways', {
      name: registry.name,
      url: server.url,
      transport: 'STREAMABLEHTTP',
      auth_type: 'bearer',
      auth_token: 's3cret-of-the-server',
      team_id: null,
      visibility: 'public',
      tags: ['one'],
    });
    expect(created).toMatchObject({ status: 201, body: { headers: { Authorization: '*****' }, visibility: 'public' } });
    const headers = created.body['headers'];
    const changed = await registry.gateway.call('PUT', pathOf(created), {
      headers,
      description: 'new',
      connectTimeout: 7,
    });
    expect(changed).toMatchObject({ status: 200, body: { description: 'new', connectTimeout: 7, tags: ['one'] } });
    expect(await registry.gateway.rpc(`/mcp/${registry.name}`, 'tools/list')).toHaveProperty('result');
    const wrong = await registry.gateway.call('PUT', pathOf(created), { auth_type: 'bearer', auth_token: 'wrong' });
    expect(wrong).toMatchObject({ status: 502, body: { reason: 'auth' } });
    expect(await registry.gateway.rpc(`/mcp/${registry.name}`, 'tools/list')).toHaveProperty('result');
    expect(JSON.stringify(registry.gateway.logs())).not.toContain('s3cret-of-the-server');
    await registry.gateway.call('DELETE', pathOf(created));
  });

  it('goes to no other place than the one that it was given for', async () => {
    await using web = await startHttpFixture({ requireHeader: 'Authorization: Bearer s3cret-for-web' });
    const heard: string[] = [];
    const thief = createServer((request, response) => {
      heard.push(request.headers.authorization ?? '');
      request.resume();
      response.writeHead(500).end();
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => thief.once('listening', resolve));
    try {
      const made = await register({
        url: web.url,
        visibility: 'public',
        headers: { Authorization: 'Bearer s3cret-for-web' },
      });
      expect(made.status, JSON.stringify(made.body)).toBe(201);
      const url = `http://127.0.0.1:${(thief.address() as AddressInfo).port}/mcp`;
      const authorization = `Bearer ${await registry.gateway.tokenFor('thief@example.com', 'operator')}`;
      const masked = made.body['headers'];
      for (const body of [{ url }, { url, headers: masked }, { url, enabled: false }]) {
        for (const prefer of ['', 'respond-async']) {
          const answer = await registry.gateway.call('PUT', pathOf(made), body, { authorization, prefer });
          expect(answer, JSON.stringify(answer.body)).toMatchObject({
            status: 422,
            body: { errors: [{ pointer: '/headers/Authorization' }] },
          });
        }
      }
      expect(heard).toEqual([]);
      // Another path of the same place is reached with what was there; another place with what is given for it.
      const query = await registry.gateway.call('PUT', pathOf(made), { url: `${web.url}?x=1` }, { authorization });
      expect(query.status, JSON.stringify(query.body)).toBe(200);
      const own = await registry.gateway.call(
        'PUT',
        pathOf(made),
        { url, enabled: false, headers: { Authorization: 'Bearer another' }, query: null },
        { authorization },
      );
      expect(own.status, JSON.stringify(own.body)).toBe(200);
    } finally {
      thief.close();
    }
  });

  it('a change of one certificate field leaves the others, and auth_type none takes the credentials away', async () => {
    const { gateway, pki, name } = registry;
    const { cert, key } = pki.issue('Flat');
    const async = { prefer: 'respond-async' };
    const own = {
      name,
      url: 'https://localhost:9/mcp',
      ca_certificate: pki.ca.cert,
      client_cert: cert,
      client_key: key,
    };
    const credentials = { auth_type: 'bearer', auth_token: 'of-the-server' };
    const made = await gateway.call('POST', '/gateways', { ...own, ...credentials }, async);
    expect(made).toMatchObject({ status: 202, body: { headers: { Authorization: '*****' } } });
    const other = pki.issue('Other flat');
    const change = { client_cert: other.cert, client_key: other.key, auth_type: 'none' };
    const changed = await gateway.call('PUT', pathOf(made), change, async);
    expect(changed.status, JSON.stringify(changed.body)).toBe(202);
    expect(changed.body['tls']).toEqual({ ca: pki.ca.cert, cert: other.cert, key: other.key });
    expect(changed.body).not.toHaveProperty('headers');
    const without = await gateway.call('PUT', pathOf(made), { client_cert: null, client_key: null }, async);
    expect(without.body['tls']).toEqual({ ca: pki.ca.cert });
    const nothing = await gateway.call('PUT', pathOf(made), { ca_certificate: null }, async);
    expect(nothing.body).not.toHaveProperty('tls');
    await gateway.call('DELETE', pathOf(made));
  });

  it.each(['constructor', 'toString', 'tlsChange'])('know no field "%s"', async (field) => {
    const body = JSON.parse(`{"url": "http://127.0.0.1:9/mcp", "${field}": {"x": 1}}`) as Json;
    expect(await register(body)).toMatchObject({ status: 422, body: { errors: [{ pointer: `/${field}` }] } });
  });

  it('a key in the query is sent with every request, and headers of clients that are let through', async () => {
    await using server = await startHttpFixture();
    const created = await registry.gateway.call('POST', '/gateways', {
      name: registry.name,
      url: `${server.url}?keep=1`,
      auth_type: 'query_param',
      auth_query_param_key: 'api_key',
      auth_query_param_value: 'k3y',
      passthrough_headers: ['X-Tenant'],
    });
    expect(created).toMatchObject({
      status: 201,
      // Also one that stands in the URL: it may be a key like the other.
      body: { url: server.url, query: { api_key: '*****', keep: '*****' }, passthroughHeaders: ['X-Tenant'] },
    });
    const changed = await registry.gateway.call('PUT', pathOf(created), { url: `${server.url}?token=t0ken` });
    expect(changed.body).toMatchObject({
      url: server.url,
      query: { api_key: '*****', keep: '*****', token: '*****' },
    });
    expect(JSON.stringify((await registry.gateway.call('GET', '/audit?limit=20')).body)).not.toContain('t0ken');
    await registry.gateway.call(
      'POST',
      `/mcp/${registry.name}`,
      { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'echo', arguments: {} } },
      { 'x-tenant': 'acme', 'x-other': 'no' },
    );
    expect(server.requests.every(({ url }) => url.includes('keep=1') && url.includes('api_key=k3y'))).toBe(true);
    expect(server.requests.filter(({ headers }) => headers['x-tenant'] === 'acme')).toHaveLength(1);
    expect(server.requests.some(({ headers }) => 'x-other' in headers)).toBe(false);
    await registry.gateway.call('DELETE', pathOf(created));
  });
});

describe('changes', () => {
  it('a server that is switched off is gone for its users, and comes back', async () => {
    await using server = await startHttpFixture();
    const created = await register({ url: server.url });
    expect(await tools()).toContain(`${registry.name}___echo`);
    const off = await registry.gateway.call('POST', `${pathOf(created)}/state?activate=false`);
    expect(off).toMatchObject({
      status: 200,
      body: { enabled: false, status: { state: 'disabled', reachable: false } },
    });
    expect(await tools()).not.toContain(`${registry.name}___echo`);
    await registry.gateway.call('POST', `${pathOf(created)}/state`, { enabled: true });
    await vi.waitFor(async () => expect(await tools()).toContain(`${registry.name}___echo`), { timeout: 20_000 });
    expect((await registry.gateway.call('DELETE', pathOf(created))).status).toBe(204);
    expect(await tools()).not.toContain(`${registry.name}___echo`);
    expect((await registry.gateway.call('GET', pathOf(created))).status).toBe(404);
  });

  it('what was not there before the change is refused by its version', async () => {
    await using server = await startSseFixture();
    const created = await register({ url: server.url });
    expect(created).toMatchObject({ status: 201, body: { status: { transport: 'sse' } } });
    const etag = created.headers.get('etag') ?? '';
    const renamed = await registry.gateway.call(
      'PUT',
      pathOf(created),
      { name: `${registry.name}-b` },
      { 'if-match': etag },
    );
    expect(renamed).toMatchObject({ status: 200, body: { name: `${registry.name}-b` } });
    expect((await registry.gateway.call('PUT', pathOf(created), { tags: ['x'] }, { 'if-match': etag })).status).toBe(
      412,
    );
    expect(await registry.gateway.rpc(`/mcp/${registry.name}-b`, 'tools/list')).toHaveProperty('result');
    await registry.gateway.call('DELETE', pathOf(created));
  });

  it('a refresh reads again what it lists, and says what has changed', async () => {
    await using server = await startHttpFixture();
    const created = await register({ url: server.url });
    const first = await registry.gateway.call('POST', `${pathOf(created)}/tools/refresh`);
    expect(first).toMatchObject({ status: 200, body: { prompts: { added: 0, removed: 0, changed: 0, total: 5 } } });
    await registry.gateway.rpc(`/mcp/${registry.name}`, 'tools/call', {
      name: 'change_tools',
      arguments: { name: 'brand_new' },
    });
    expect((await registry.gateway.call('POST', `${pathOf(created)}/refresh`)).status).toBe(200);
    expect(await tools()).toContain(`${registry.name}___echo`);
    await registry.gateway.call('DELETE', pathOf(created));
  });

  it('an unreachable place changes nothing', async () => {
    await using server = await startHttpFixture();
    const created = await register({ url: server.url });
    const moved = await registry.gateway.call('PUT', pathOf(created), { url: 'http://127.0.0.1:9/mcp' });
    expect(moved).toMatchObject({ status: 502, body: { reason: 'transport' } });
    expect((await registry.gateway.call('GET', pathOf(created))).body).toMatchObject({ url: server.url });
    await registry.gateway.call('DELETE', pathOf(created));
  });
});

describe('who sees it', () => {
  it('private servers exist for their owner only, public ones for everybody', async () => {
    await using server = await startHttpFixture();
    const other = await registry.gateway.tokenFor('other@example.com', 'operator');
    const created = await register({ url: server.url });
    expect(await tools(other)).not.toContain(`${registry.name}___echo`);
    const as = { authorization: `Bearer ${other}` };
    expect((await registry.gateway.call('GET', pathOf(created), undefined, as)).status).toBe(404);
    await registry.gateway.call('PUT', pathOf(created), { visibility: 'public' });
    expect(await tools(other)).toContain(`${registry.name}___echo`);
    expect((await registry.gateway.call('GET', pathOf(created), undefined, as)).status).toBe(200);
    await registry.gateway.call('DELETE', pathOf(created));
  });
});

describe('trying the way', () => {
  it('says everything about a server over TLS, and stores nothing', async () => {
    const answer = await registry.gateway.call('POST', '/v1/gateways/test', { url: 'http://127.0.0.1:9/mcp' });
    expect(answer).toMatchObject({
      status: 200,
      body: { ok: false, failure: { reason: 'transport' }, path: ['streamable-http'] },
    });
    await using server = await startHttpFixture();
    const good = await registry.gateway.call('POST', '/v1/gateways/test', { url: server.url });
    expect(good).toMatchObject({
      status: 200,
      body: { ok: true, failure: null, transport: 'streamable-http', era: 'legacy', counts: { prompts: 5 } },
    });
    expect(await names()).not.toContain('test');
  });

  it('shows the chain of a server that insists on a certificate, also when it has refused', async () => {
    const { gateway, pki, name } = registry;
    const own = pki.issue('localhost', { file: `trial-${name}`, san: 'DNS:localhost' });
    const client = pki.issue('Client', { file: `trial-client-${name}` });
    await using strict = await startStrictServer({ ...own, ca: pki.ca.cert });
    const url = `${strict.origin}/mcp`;
    const trusted = { ca: pki.ca.cert };
    const good = await gateway.call('POST', '/gateways/test', {
      url,
      tls: { ...trusted, cert: client.cert, key: client.key },
    });
    expect(good).toMatchObject({
      status: 200,
      body: {
        ok: true,
        protocolVersion: expect.any(String),
        capabilities: { tools: expect.anything() },
        timings: { connectMs: expect.any(Number), discoverMs: expect.any(Number) },
        certificates: [{ names: ['DNS:localhost'], serialNumber: own.serial }, { serialNumber: pki.ca.serial }],
      },
    });
    const bare = await gateway.call('POST', '/gateways/test', { url, tls: trusted });
    expect(bare.body).toMatchObject({ ok: false, failure: { reason: 'tls' } });
    const stranger = await gateway.call('POST', '/gateways/test', { url });
    expect(stranger.body).toMatchObject({ ok: false, failure: { reason: 'tls' }, counts: null });
  });
});

describe('beside a configuration file', () => {
  it('what the file owns is read-only, and a name that it takes later shadows the registered server', async () => {
    await using ownStore = await openTemporaryStore();
    await using server = await startHttpFixture();
    const of = (mcpServers: Json): Json => ({ mcpServers, gateway: { port: 3000, domain: 'localhost' } });
    const fromFile = { type: 'http', url: server.url };
    {
      await using first = await startManaged({ store: ownStore, config: of({ file: fromFile }) });
      expect(await first.call('POST', '/gateways', { name: 'file', url: server.url })).toMatchObject({ status: 409 });
      expect(await first.call('PUT', '/gateways/file', { description: 'x' })).toMatchObject({
        status: 409,
        body: { code: 'read_only', file: '<stdin>' },
      });
      expect((await first.call('POST', '/gateways', { name: 'later', url: server.url })).status).toBe(201);
    }
    await using second = await startManaged({ store: ownStore, config: of({ later: fromFile }) });
    const { body } = await second.call('GET', '/gateways');
    expect(body['items']).toMatchObject([
      { name: 'later', source: { kind: 'store' }, status: { state: 'shadowed' } },
      { name: 'later', source: { kind: 'file' }, status: { state: 'active' } },
    ]);
  });
});
