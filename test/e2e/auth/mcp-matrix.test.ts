/** Who may do what over MCP: every method that the gateway knows, for every role, on servers of every visibility. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BUILT_IN_ROLES, type Permission } from '../../../src/auth/permissions.ts';
import { LISTINGS } from '../../../src/mcp/listing.ts';
import { METHOD_PERMISSIONS } from '../../../src/proxy/permit.ts';
import { startInProcess, type InProcessGateway } from '../../rig/in-process.ts';
import { startHttpFixture, type HttpFixture } from '../../rig/servers.ts';
import { describeOnBothStores, TEST_ACTOR, type TemporaryStore } from '../../rig/store.ts';
import { person, rpc } from './people.ts';

type Method = keyof typeof METHOD_PERMISSIONS;

/** What makes each request one that a server can answer. A method without an entry fails the type check. */
const PARAMS: Readonly<Record<Method, object>> = {
  initialize: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
  'server/discover': {},
  'subscriptions/listen': { notifications: {} },
  ping: {},
  'logging/setLevel': { level: 'info' },
  'tools/list': {},
  'tools/call': { name: 'echo', arguments: { text: 'hello' } },
  'resources/list': {},
  'resources/templates/list': {},
  'resources/read': { uri: 'test://text' },
  'resources/subscribe': { uri: 'test://text' },
  'resources/unsubscribe': { uri: 'test://text' },
  'prompts/list': {},
  'prompts/get': { name: 'greet' },
  'completion/complete': { ref: { type: 'ref/prompt', name: 'greet' }, argument: { name: 'name', value: 'a' } },
  'tasks/get': { taskId: 'x' },
  'tasks/result': { taskId: 'x' },
  'tasks/list': {},
  'tasks/update': { taskId: 'x' },
  'tasks/cancel': { taskId: 'x' },
};
const METHODS = Object.keys(PARAMS) as Method[];

const SERVERS = ['public', 'team', 'private'] as const;

interface Somebody {
  readonly permissions: readonly Permission[];
  readonly sees: readonly (typeof SERVERS)[number][];
  /** When the permissions hold for the objects of the team only. */
  readonly forTeamOnly?: boolean;
}
const PEOPLE: Readonly<Record<string, Somebody>> = {
  nobody: { permissions: [], sees: ['public'] },
  viewer: { permissions: BUILT_IN_ROLES.viewer, sees: ['public'] },
  developer: { permissions: BUILT_IN_ROLES.developer, sees: ['public'] },
  'team developer': { permissions: BUILT_IN_ROLES.developer, sees: ['public', 'team'], forTeamOnly: true },
  'member and developer': { permissions: BUILT_IN_ROLES.developer, sees: ['public', 'team'] },
  'owner and developer': { permissions: BUILT_IN_ROLES.developer, sees: ['public', 'private'] },
  admin: { permissions: BUILT_IN_ROLES.admin, sees: ['public'] },
  'admin with a token for tools.read': { permissions: ['tools.read'], sees: ['public'] },
};

describeOnBothStores('MCP', (open) => {
  let store: TemporaryStore;
  let fixture: HttpFixture;
  let gateway: InProcessGateway;
  const tokens: Record<string, string> = {};

  beforeAll(async () => {
    store = await open();
    fixture = await startHttpFixture();
    const { id: team } = await store.store.change({ actor: TEST_ACTOR, action: 'test' }, async (tx) => {
      const made = await tx.insertTeam({ name: 'red', description: undefined });
      return { result: made, object: { kind: 'team', id: made.id, name: made.name }, before: undefined, after: made };
    });
    const server = { type: 'http', url: fixture.url };
    gateway = await startInProcess(
      {
        mcpServers: { public: server, team: server, private: server },
        access: {
          team: { visibility: 'team', owner: undefined, team },
          private: { visibility: 'private', owner: 'owner@example.com', team: undefined },
        },
      },
      store.store,
    );
    const users: Readonly<Record<string, readonly [string, readonly string[], { permissions?: readonly string[] }?]>> =
      {
        nobody: ['nobody@example.com', []],
        viewer: ['viewer@example.com', ['viewer']],
        developer: ['developer@example.com', ['developer']],
        'team developer': ['team@example.com', []],
        'member and developer': ['member@example.com', ['developer']],
        'owner and developer': ['owner@example.com', ['developer']],
        admin: ['admin@example.com', ['admin']],
        'admin with a token for tools.read': ['admin@example.com', ['admin'], { permissions: ['tools.read'] }],
      };
    for (const [name, [user, roles, limits]] of Object.entries(users))
      tokens[name] = (await person(store.store, user, roles, limits)).token;
    await store.store.change({ actor: TEST_ACTOR, action: 'test' }, async (tx) => {
      for (const user of ['team@example.com', 'member@example.com'])
        await tx.putMembership({ team, user, role: 'member' });
      await tx.putRoleBinding({ user: 'team@example.com', role: 'developer', team });
      return {
        result: undefined,
        object: { kind: 'team', id: team, name: 'red' },
        before: undefined,
        after: undefined,
      };
    });
  });

  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
    await fixture[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
  });

  /** 403 for what is seen and not allowed, 404 for what does not exist for somebody, 401 for the anonymous; else another answer. */
  function expected(
    { permissions, sees, forTeamOnly }: Somebody,
    server: (typeof SERVERS)[number],
    method: Method,
  ): string {
    if (!sees.includes(server)) return 'unknown';
    const needed: readonly Permission[] =
      method === 'completion/complete' ? ['prompts.read'] : METHOD_PERMISSIONS[method];
    if (needed.length === 0) return 'passes';
    const holds = forTeamOnly !== true || server === 'team';
    return holds && needed.some((permission) => permissions.includes(permission)) ? 'passes' : 'forbidden';
  }

  function outcomeOf(status: number): string {
    if (status === 401) return 'anonymous';
    if (status === 403) return 'forbidden';
    return status === 404 ? 'unknown' : 'passes';
  }

  describe('who may do what over MCP', () => {
    describe.each(Object.entries(PEOPLE))('%s', (name, somebody) => {
      it.each(SERVERS)('on a %s server', async (server) => {
        const outcomes = await Promise.all(
          METHODS.map(async (method) => {
            const told = await rpc(gateway.url(server), tokens[name], method, PARAMS[method]);
            // A subscription needs a stream, a resource its session, a task its server: those answers passed.
            const code = (told.body['error'] as { readonly data?: { readonly error?: string } } | undefined)?.data
              ?.error;
            return [
              method,
              code === 'unknown_server' ? 'unknown' : told.status === 404 ? 'passes' : outcomeOf(told.status),
            ];
          }),
        );
        expect(Object.fromEntries(outcomes)).toEqual(
          Object.fromEntries(METHODS.map((method) => [method, expected(somebody, server, method)])),
        );
      });
    });

    it('nothing is there for the anonymous', async () => {
      for (const method of METHODS) {
        const told = await rpc(gateway.url('public'), undefined, method, PARAMS[method]);
        expect([method, told.status]).toEqual([method, 401]);
      }
    });

    it('a method that nobody has thought of needs what a call needs', async () => {
      const told = async (name: string) => (await rpc(gateway.url('public'), tokens[name], 'vendor/anything')).status;
      expect([await told('viewer'), await told('developer')]).toEqual([403, 200]);
    });

    it('every listing has an entry', () => {
      for (const { method } of LISTINGS) expect(METHODS).toContain(method);
    });

    it('every method that the proxy names has an entry', () => {
      const folder = join(import.meta.dirname, '../../../src/proxy');
      const named = ['dispatch.ts', 'dispatch-modern.ts', 'target.ts', 'task-ids.ts'].flatMap((file) => [
        ...readFileSync(join(folder, file), 'utf8').matchAll(
          /'((?:tools|resources|prompts|completion|logging|tasks|server|subscriptions)\/[a-zA-Z/]+)'/g,
        ),
      ]);
      expect(named.length).toBeGreaterThan(10);
      for (const [, method] of named) expect(METHODS).toContain(method);
    });

    it('on an endpoint that servers share, a listing holds what may be used, and a call of the rest is forbidden', async () => {
      const list = async (name: string) => {
        const { body } = await rpc(gateway.url(), tokens[name], 'tools/list');
        const { tools } = body['result'] as { readonly tools: readonly { readonly name: string }[] };
        return [...new Set(tools.map((tool) => tool.name.split('___')[0]))];
      };
      expect(await list('team developer')).toEqual(['team']);
      expect(await list('member and developer')).toEqual(['public', 'team']);
      expect(await list('developer')).toEqual(['public']);
      const call = async (tool: string) => {
        const { body } = await rpc(gateway.url(), tokens['team developer'], 'tools/call', {
          name: tool,
          arguments: { text: 'hello' },
        });
        return (body['error'] as { readonly data: { readonly error: string } } | undefined)?.data.error ?? 'answered';
      };
      expect(await call('team___echo')).toBe('answered');
      expect(await call('public___echo')).toBe('forbidden');
      expect(await call('private___echo')).toBe('invalid_params');
    });
  });
});
