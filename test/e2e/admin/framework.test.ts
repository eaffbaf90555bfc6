/** What holds for every route of the management API: errors, limits, idempotency, discovery of the API itself. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { openApiDocument, type OpenApiDocument } from '../../../src/admin/openapi/document.ts';
import { pathsOf, Router } from '../../../src/admin/http/router.ts';
import { ROUTES } from '../../../src/admin/routes/table.ts';
import { PERMISSIONS } from '../../../src/auth/permissions.ts';
import { startGateway } from '../../rig/gateway.ts';
import { startManaged } from '../../rig/managed-gateway.ts';
import { startHttpFixture } from '../../rig/servers.ts';
import { describeOnBothStores, openTemporaryStore } from '../../rig/store.ts';
import { checkedCalls } from './checked-call.ts';

describe('the table of routes', () => {
  it('has a requirement for each, no path twice, and every action once', () => {
    expect(() => new Router(ROUTES)).not.toThrow();
    expect(new Set(ROUTES.map(({ action }) => action)).size).toBe(ROUTES.length);
    for (const { requires, action } of ROUTES) {
      if ('anybody' in requires) expect(requires.anybody.length, action).toBeGreaterThan(10);
      else expect(Object.keys(PERMISSIONS), action).toContain(requires.permission);
    }
  });

  it('is described by an OpenAPI document whose every reference leads somewhere and whose every schema is one', () => {
    const document = openApiDocument(ROUTES, '1.2.3');
    const text = JSON.stringify(document);
    const { schemas } = document['components'] as { readonly schemas: Readonly<Record<string, object>> };
    for (const [, name] of text.matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)) {
      expect(schemas).toHaveProperty([name ?? '']);
    }
    const others = [...text.matchAll(/"\$ref":"([^"]+)"/g)].filter(
      ([, to]) => !to?.startsWith('#/components/schemas/'),
    );
    expect(others.map(([, to]) => to)).toEqual([]);
    const ajv = new Ajv2020({ strict: false, formats: { 'date-time': true, email: true } });
    for (const schema of Object.values(schemas)) {
      expect(() => ajv.compile({ ...schema, components: { schemas } })).not.toThrow();
    }
    const ids = operationsOf(document).map(({ operationId }) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toHaveLength(ROUTES.length);
    for (const [path, item] of Object.entries(document.paths)) {
      const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      for (const operation of Object.values(item) as Operation[]) {
        const declared = operation.parameters.filter((one) => one.in === 'path').map(({ name }) => name);
        expect(declared, path).toEqual(named);
        expect(
          Object.keys(operation.responses).some((status) => status.startsWith('2')),
          path,
        ).toBe(true);
      }
    }
  });

  it('describes an answer and a failure that have one status both', () => {
    const { post } = openApiDocument(ROUTES, '1.2.3').paths['/v1/reload'] as { readonly post: Operation };
    const { content } = post.responses['422'] as { readonly content: Readonly<Record<string, unknown>> };
    expect(Object.keys(content).toSorted()).toEqual(['application/json', 'application/problem+json']);
  });

  it('has the paths that the users of ContextForge know, without /v1', () => {
    const paths = new Set(ROUTES.flatMap((route) => pathsOf(route).map((path) => `${route.method} ${path}`)));
    for (const family of ['gateways', 'servers', 'tools', 'resources', 'prompts']) {
      for (const known of [
        `GET /${family}`,
        `GET /${family}/{id}`,
        `PUT /${family}/{id}`,
        `POST /${family}/{id}/state`,
      ]) {
        expect(paths).toContain(known);
      }
    }
    for (const known of [
      'POST /gateways',
      'POST /servers',
      'GET /export',
      'POST /import',
      'GET /version',
      'GET /events',
    ]) {
      expect(paths).toContain(known);
    }
  });
});

interface Operation {
  readonly operationId: string;
  readonly parameters: readonly { readonly in: string; readonly name: string }[];
  readonly responses: Readonly<Record<string, unknown>>;
}

function operationsOf(document: OpenApiDocument): readonly Operation[] {
  return Object.values(document.paths).flatMap((item) => Object.values(item) as Operation[]);
}

describe('requests', () => {
  it('that cannot be understood get problem details with the place and no trace of the inside', async () => {
    await using store = await openTemporaryStore();
    await using gateway = await startManaged({ store });
    const post = (body: string, type = 'application/json', more: Record<string, string> = {}) =>
      fetch(`${gateway.origin}/v1/servers`, {
        method: 'POST',
        headers: { authorization: `Bearer ${gateway.token}`, 'content-type': type, ...more },
        body,
      });
    for (const [response, status, code] of [
      [await post('{"name": '), 400, 'parse_error'],
      [await post('{}', 'text/plain'), 415, 'unsupported_media_type'],
      [await post(`"${'x'.repeat(1024 * 1024 + 1)}"`), 413, 'body_too_large'],
      [await post('[]'), 422, 'invalid_input'],
      [await post('{"__proto__": {"name": "x"}}'), 422, 'invalid_input'],
      [
        await fetch(`${gateway.origin}/v1/servers`, { headers: { authorization: 'Bearer nobody' } }),
        401,
        'unauthorized',
      ],
      [await fetch(`${gateway.origin}/v1/servers`), 401, 'unauthorized'],
      [
        await fetch(`${gateway.origin}/v1/nothing`, { headers: { authorization: `Bearer ${gateway.token}` } }),
        404,
        'not_found',
      ],
    ] as const) {
      expect(response.status, code).toBe(status);
      expect(response.headers.get('content-type')).toBe('application/problem+json');
      const text = await response.text();
      expect(JSON.parse(text)).toMatchObject({ code, status, type: `/v1/errors/${code}` });
      expect(text).not.toMatch(/\bat .*\.ts:|node_modules/);
      expect(response.headers.get('x-request-id')).toMatch(/^[0-9a-f]{16}$/);
    }
    const unauthorized = await fetch(`${gateway.origin}/v1/servers`);
    expect(unauthorized.headers.get('www-authenticate')).toContain('Bearer');
    const wrongVerb = await fetch(`${gateway.origin}/v1/servers`, {
      method: 'PATCH',
      headers: { authorization: `Bearer ${gateway.token}` },
    });
    expect(wrongVerb.status).toBe(405);
    expect(wrongVerb.headers.get('allow')).toBe('GET, POST');
    const call = checkedCalls(gateway);
    expect((await call('GET', '/v1/errors/already_exists')).body).toMatchObject({ status: 409 });
  });
});

describeOnBothStores('ids', (open) => {
  it('that no database can hold are those of nothing, and say nothing about the store', async () => {
    await using store = await open();
    await using gateway = await startManaged({ store });
    const call = checkedCalls(gateway);
    const told = new Map<string, number>();
    for (const path of [
      '/v1/gateways/%00',
      '/v1/servers/%00',
      '/v1/tools/%00',
      '/v1/teams/a%00',
      '/v1/roles/%00',
      '/v1/tokens/%00',
      '/v1/users/a%00@example.com',
      '/v1/audit?subject=%00',
      '/v1/tools?server=%00',
    ])
      told.set(path, (await call('GET', path)).status);
    expect([...told].filter(([, status]) => status !== 404 && status !== 422 && status !== 200)).toEqual([]);
    expect((await call('POST', '/v1/servers', { name: 'x', team: '\0' })).status).toBe(422);
    expect((await call('POST', '/v1/servers', { name: 'x', tools: ['\0'] })).status).toBe(422);
    expect((await call('GET', '/v1/status')).body).toMatchObject({ store: { reachable: true, lastError: null } });
  });
});

describeOnBothStores('creations', (open) => {
  it('that are sent again with their Idempotency-Key are done once', async () => {
    await using store = await open();
    await using gateway = await startManaged({ store });
    const call = checkedCalls(gateway);
    const key = { 'idempotency-key': 'a-key' };
    const first = await call('POST', '/servers', { name: 'once' }, key);
    const again = await call('POST', '/servers', { name: 'once' }, key);
    expect(again).toMatchObject({ status: 201, body: { id: first.body['id'] } });
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(again.headers.get('location')).toBe(first.headers.get('location'));
    // Under another path it is the same request.
    expect((await call('POST', '/v1/servers', { name: 'once' }, key)).body['id']).toBe(first.body['id']);
    expect((await call('POST', '/servers', { name: 'other' }, key)).body).toMatchObject({
      code: 'idempotency_mismatch',
    });
    const many = await Promise.all(
      Array.from({ length: 10 }, () => call('POST', '/servers', { name: 'many' }, { 'idempotency-key': 'many' })),
    );
    const statuses = many.map(({ status }) => status);
    expect(statuses.filter((status) => status !== 201 && status !== 409)).toEqual([]);
    expect(new Set(many.filter(({ status }) => status === 201).map(({ body }) => body['id'])).size).toBe(1);
    // Somebody else's key is another key.
    const other = checkedCalls(gateway, await gateway.tokenFor('op@example.com', 'operator'));
    expect((await other('POST', '/servers', { name: 'theirs' }, key)).status).toBe(201);
    // An answer with a secret in it is not remembered.
    expect((await call('POST', '/tokens', { name: 'x' }, key)).body).toMatchObject({
      errors: [{ header: 'Idempotency-Key' }],
    });
  });

  it('a hundred that create the same thing at once: one 201, ninety-nine 409', async () => {
    await using store = await open();
    await using gateway = await startManaged({ store });
    const call = checkedCalls(gateway);
    const answers = await Promise.all(Array.from({ length: 100 }, () => call('POST', '/servers', { name: 'one' })));
    const count = (status: number): number => answers.filter((answer) => answer.status === status).length;
    expect([count(201), count(409)]).toEqual([1, 99]);
    expect((await call('GET', '/servers')).body['items']).toHaveLength(1);
  });
});

it('without a store the API says how to get one, and nothing else changes', async () => {
  await using web = await startHttpFixture();
  await using gateway = await startGateway({ config: { mcpServers: { web: { type: 'http', url: web.url } } } });
  const headers = { authorization: gateway.authorization };
  for (const path of ['/v1/servers', '/servers', '/gateways', '/v1/openapi.json', '/tools']) {
    const response = await fetch(`${gateway.origin}${path}`, { headers });
    expect(response.status, path).toBe(404);
    expect(await response.json()).toMatchObject({
      code: 'management_off',
      detail: expect.stringContaining('--data-dir') as string,
    });
  }
  expect((await fetch(`${gateway.origin}/health`)).status).toBe(200);
  expect((await fetch(`${gateway.origin}/status`, { headers })).status).toBe(200);
});
