/** Who may use which route of the management API: every route of its table, for every kind of caller. A route cannot be left out. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROUTES } from '../../../src/admin/routes/table.ts';
import type { Route } from '../../../src/admin/http/route.ts';
import { BUILT_IN_ROLES, PERMISSIONS, type Permission } from '../../../src/auth/permissions.ts';
import { AGENT_ID } from '../../rig/gateway.ts';
import { startInProcess, type InProcessGateway } from '../../rig/in-process.ts';
import { describeOnBothStores, type TemporaryStore } from '../../rig/store.ts';
import { ask, person } from './people.ts';

interface Somebody {
  readonly permissions: readonly Permission[];
  readonly isConfined?: boolean;
}

const PEOPLE: Readonly<Record<string, Somebody>> = {
  nobody: { permissions: [] },
  viewer: { permissions: BUILT_IN_ROLES.viewer },
  developer: { permissions: BUILT_IN_ROLES.developer },
  operator: { permissions: BUILT_IN_ROLES.operator },
  admin: { permissions: BUILT_IN_ROLES.admin },
  'admin with a token for a virtual server': { permissions: BUILT_IN_ROLES.admin, isConfined: true },
  'admin with a token for status.read': { permissions: ['status.read'] },
};

describeOnBothStores('the management API', (open) => {
  let store: TemporaryStore;
  let gateway: InProcessGateway;
  const tokens: Record<string, string> = {};

  beforeAll(async () => {
    store = await open();
    gateway = await startInProcess({ mcpServers: {} }, store.store);
    for (const role of ['viewer', 'developer', 'operator', 'admin'])
      tokens[role] = (await person(store.store, `${role}@example.com`, [role])).token;
    tokens['nobody'] = (await person(store.store, 'nobody@example.com')).token;
    const confined = { virtualServers: ['0'.repeat(32)] };
    tokens['admin with a token for a virtual server'] = (
      await person(store.store, 'admin@example.com', [], confined)
    ).token;
    tokens['admin with a token for status.read'] = (
      await person(store.store, 'admin@example.com', [], { permissions: ['status.read'] })
    ).token;
  });

  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
  });

  /** Nothing is there under this id: who is let in finds that out, and changes nothing. */
  function urlOf({ path }: Route): string {
    return `${gateway.origin}/v1${path.replaceAll(/\{[^}]+\}/g, 'f'.repeat(32))}`;
  }

  /** Streams have no end of their own. */
  async function statusOf(route: Route, token: string | undefined): Promise<number> {
    const abort = new AbortController();
    const response = await fetch(urlOf(route), {
      method: route.method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(route.body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      // No route accepts a list: its schema is asked after its permission.
      ...(route.body === undefined ? {} : { body: '[]' }),
      signal: abort.signal,
    });
    abort.abort();
    await response.body?.cancel().catch(() => undefined);
    return response.status;
  }

  /** 403 by the table; undefined where the handler decides for each object. */
  function isForbidden(
    { requires, forConfinedTokens }: Route,
    { permissions, isConfined }: Somebody,
  ): boolean | undefined {
    if (isConfined === true && !forConfinedTokens) return true;
    if ('anybody' in requires) return false;
    if (permissions.includes(requires.permission)) return false;
    return requires.otherwise === undefined ? true : undefined;
  }

  const CASES = ROUTES.map((route) => ({ name: `${route.method} ${route.path}`, route }));

  describe('who may use which route of the management API', () => {
    it('every route says who may use it, by a permission that exists or with a reason', () => {
      expect(ROUTES.length).toBeGreaterThan(0);
      for (const { requires, action } of ROUTES) {
        if ('anybody' in requires) expect([action, requires.anybody.length > 10]).toEqual([action, true]);
        else expect(Object.keys(PERMISSIONS)).toContain(requires.permission);
      }
    });

    it.each(CASES)('$name', async ({ route }) => {
      expect(await statusOf(route, undefined)).toBe(401);
      expect(await statusOf(route, 'gth_0000000000000000000000000000000000000000000')).toBe(401);
      const outcomes: Record<string, boolean> = {};
      const wanted: Record<string, boolean> = {};
      for (const [name, somebody] of Object.entries(PEOPLE)) {
        const forbidden = isForbidden(route, somebody);
        if (forbidden === undefined) continue;
        const status = await statusOf(route, tokens[name]);
        expect(status).not.toBe(401);
        outcomes[name] = status === 403;
        wanted[name] = forbidden;
      }
      expect(outcomes).toEqual(wanted);
    });

    it('agents of the configuration may use and operate, and manage nothing', async () => {
      const forbidden: string[] = [];
      const writes = ROUTES.filter(
        ({ requires }) => 'permission' in requires && /\.(write|container|export.*)$/.test(requires.permission),
      );
      expect(writes.length).toBeGreaterThan(0);
      for (const route of writes) {
        const { requires } = route;
        if ('permission' in requires && requires.otherwise !== undefined) continue;
        if ((await statusOf(route, AGENT_ID)) !== 403) forbidden.push(route.action);
      }
      expect(forbidden).toEqual([]);
    });

    it('each denial is a line of the audit log, and the answer names what is missing', async () => {
      const route = ROUTES.find(({ method, path }) => method === 'POST' && path === '/servers');
      if (route === undefined) throw new Error('there is a route that makes virtual servers');
      const told = await ask('POST', urlOf(route), tokens['viewer'], {});
      expect(told.status).toBe(403);
      const [line] = await store.store.audit({ limit: 1 });
      expect(line).toMatchObject({ outcome: 'denied', action: route.action, actor: { user: 'viewer@example.com' } });
      expect(line?.reason).toContain('servers.write');
    });
  });

  describe('who may operate the gateway', () => {
    const OPERATIONS = [
      ['GET', '/status', 'status.read'],
      ['GET', '/metrics', 'status.read'],
      ['GET', '/certs', 'status.read'],
      ['PUT', '/log-level', 'gateway.operate'],
      ['POST', '/reload', 'gateway.operate'],
      ['POST', '/close', 'gateway.operate'],
    ] as const;

    it.each(OPERATIONS)('%s %s needs %s', async (method, path, permission) => {
      expect((await ask(method, `${gateway.origin}${path}`, undefined)).status).toBe(401);
      for (const [name, { permissions, isConfined }] of Object.entries(PEOPLE)) {
        const isAllowed = permissions.includes(permission) && isConfined !== true;
        // What it does when it is allowed is for the tests of the operations.
        if (isAllowed && permission === 'gateway.operate') continue;
        const { status, body } = await ask(method, `${gateway.origin}${path}`, tokens[name]);
        expect([name, status]).toEqual([name, isAllowed ? 200 : 403]);
        if (!isAllowed) expect(JSON.stringify(body)).toContain(permission);
      }
    });

    it('health and readiness need nobody', async () => {
      expect((await ask('GET', `${gateway.origin}/health`, undefined)).status).toBe(200);
      expect((await ask('GET', `${gateway.origin}/ready`, undefined)).status).toBe(200);
    });
  });
});
