/** `/users`, `/teams`, `/roles` and `/tokens`: who may do what, and that nobody gives more than he has. */
import { describe, expect, it } from 'vitest';
import { startManaged, type ManagedGateway } from '../../rig/managed-gateway.ts';
import { describeOnBothStores, type TemporaryStore } from '../../rig/store.ts';
import { checkedCalls, type CheckedCall, type Listed } from './checked-call.ts';

interface Scene extends AsyncDisposable {
  readonly gateway: ManagedGateway;
  readonly admin: CheckedCall;
}

async function sceneOn(open: () => Promise<TemporaryStore>): Promise<Scene> {
  await using stack = new AsyncDisposableStack();
  const store = stack.use(await open());
  const gateway = stack.use(await startManaged({ store }));
  const owned = stack.move();
  return { gateway, admin: checkedCalls(gateway), [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

describeOnBothStores('accounts', (open) => {
  const openScene = (): Promise<Scene> => sceneOn(open);

  describe('users and roles', () => {
    it('a user may do what his roles allow, from the moment they are given until the moment they are taken', async () => {
      await using scene = await openScene();
      const { gateway, admin } = scene;
      const made = await admin('POST', '/users', { email: 'Ada@Example.com', fullName: 'Ada' });
      expect(made).toMatchObject({ status: 201, body: { email: 'ada@example.com', enabled: true } });
      expect(made.headers.get('location')).toBe('/v1/users/ada%40example.com');
      expect((await admin('POST', '/users', { email: 'ada@example.com' })).body).toMatchObject({
        code: 'already_exists',
      });
      const ada = checkedCalls(gateway, await gateway.tokenFor('ada@example.com'));
      expect((await ada('GET', '/servers')).status).toBe(403);
      expect((await ada('GET', '/users/ada@example.com')).body).toMatchObject({ fullName: 'Ada' });
      expect((await ada('GET', '/users/admin@example.com')).status).toBe(403);
      expect((await ada('GET', '/me')).body).toMatchObject({ user: 'ada@example.com', grants: [] });

      expect((await admin('PUT', '/users/ada@example.com/roles/viewer')).status).toBe(204);
      expect((await ada('GET', '/servers')).status).toBe(200);
      expect((await ada('GET', '/users/ada@example.com/roles')).body).toEqual({
        items: [{ role: 'viewer', team: null }],
      });
      expect((await admin('DELETE', '/users/ada@example.com/roles/viewer')).status).toBe(204);
      expect((await ada('GET', '/servers')).status).toBe(403);

      await admin('POST', '/users/ada@example.com/state', { enabled: false });
      expect((await ada('GET', '/me')).status).toBe(401);
      expect((await admin('DELETE', '/users/ada@example.com')).status).toBe(204);
      expect((await admin('GET', '/users/ada@example.com')).status).toBe(404);
    });

    it('the last administrator can be neither disabled nor removed nor lose the role', async () => {
      await using scene = await openScene();
      const { admin } = scene;
      const self = '/users/admin@example.com';
      for (const answer of [
        await admin('POST', `${self}/state`, { enabled: false }),
        await admin('DELETE', self),
        await admin('DELETE', `${self}/roles/admin`),
      ]) {
        expect(answer).toMatchObject({ status: 409, body: { code: 'refused_by_state' } });
      }
      expect((await admin('GET', '/me')).status).toBe(200);
    });

    it('roles of one’s own are made, given and changed; nobody puts into one what he does not have', async () => {
      await using scene = await openScene();
      const { gateway, admin } = scene;
      expect((await admin('GET', '/roles')).body['items']).toHaveLength(4);
      const granter = { name: 'granter', permissions: ['roles.read', 'roles.write', 'tools.read'] };
      expect((await admin('POST', '/roles', granter)).status).toBe(201);
      expect((await admin('POST', '/roles', { ...granter, name: 'admin' })).status).toBe(409);
      const wrong = await admin('POST', '/roles', { name: 'x', permissions: ['everything'] });
      expect(wrong).toMatchObject({ status: 422, body: { errors: [{ pointer: '/permissions/0' }] } });

      const mallory = checkedCalls(gateway, await gateway.tokenFor('mallory@example.com', 'granter'));
      for (const attempt of [
        await mallory('PUT', '/users/mallory@example.com/roles/admin'),
        await mallory('POST', '/roles', { name: 'more', permissions: ['audit.read'] }),
        await mallory('PUT', '/roles/granter', { permissions: ['visibility.all'] }),
      ]) {
        expect(attempt).toMatchObject({ status: 403, body: { code: 'forbidden' } });
      }
      expect((await mallory('POST', '/roles', { name: 'less', permissions: ['tools.read'] })).status).toBe(201);
      expect((await admin('GET', '/roles/granter')).body).toMatchObject({
        builtIn: false,
        givenTo: [{ user: 'mallory@example.com', team: null }],
      });
      expect((await admin('PUT', '/roles/viewer', { permissions: ['tools.read'] })).body).toMatchObject({
        code: 'read_only',
      });
      expect((await admin('DELETE', '/roles/granter')).body).toMatchObject({ code: 'refused_by_state' });
      expect((await admin('DELETE', '/roles/less')).status).toBe(204);
    });
  });

  describe('whoever manages accounts', () => {
    it('neither locks out nor removes those who may do more than he, nor joins teams that he is not in', async () => {
      await using scene = await openScene();
      const { gateway, admin } = scene;
      await admin('POST', '/roles', {
        name: 'clerk',
        permissions: ['users.read', 'users.write', 'teams.read', 'teams.write', 'roles.read', 'config.write'],
      });
      await gateway.tokenFor('second@example.com', 'admin');
      await gateway.tokenFor('viewer@example.com', 'viewer');
      await gateway.tokenFor('simple@example.com');
      const clerk = checkedCalls(gateway, await gateway.tokenFor('clerk@example.com', 'clerk'));
      for (const user of ['second@example.com', 'viewer@example.com']) {
        expect((await clerk('POST', `/users/${user}/state`, { enabled: false })).status, user).toBe(403);
        expect((await clerk('PUT', `/users/${user}`, { enabled: false })).status, user).toBe(403);
        expect((await clerk('DELETE', `/users/${user}`)).status, user).toBe(403);
        const account = { email: user, fullName: null, enabled: false, roles: [] };
        const imported = { format: 'gatehouse', formatVersion: 1, users: [account] };
        expect((await clerk('POST', '/import?onConflict=update', imported)).body['detail'], user).toContain('equals');
      }
      expect((await clerk('PUT', '/users/viewer@example.com', { fullName: 'V.' })).status).toBe(200);
      expect((await clerk('POST', '/users/simple@example.com/state', { enabled: false })).status).toBe(200);
      expect((await clerk('DELETE', '/users/simple@example.com')).status).toBe(204);

      const { body: secret } = await admin('POST', '/teams', { name: 'secret' });
      const join = `/teams/${String(secret['id'])}/members/clerk@example.com`;
      expect((await clerk('PUT', join)).status).toBe(403);
      const { body: own } = await clerk('POST', '/teams', { name: 'own' });
      expect((await clerk('PUT', `/teams/${String(own['id'])}/members/viewer@example.com`)).status).toBe(200);
    });
  });

  describe('teams', () => {
    it('members see their team and what belongs to it; owners change it; others do not know of it', async () => {
      await using scene = await openScene();
      const { gateway, admin } = scene;
      const tokens = {
        owner: await gateway.tokenFor('owner@example.com', 'operator'),
        member: await gateway.tokenFor('member@example.com', 'viewer'),
        other: await gateway.tokenFor('other@example.com', 'viewer'),
      };
      const { body: team } = await admin('POST', '/teams', { name: 'blue' });
      const path = `/teams/${String(team['id'])}`;
      expect((await admin('PUT', `${path}/members/owner@example.com`, { role: 'owner' })).status).toBe(200);
      const owner = checkedCalls(gateway, tokens.owner);
      const member = checkedCalls(gateway, tokens.member);
      const other = checkedCalls(gateway, tokens.other);

      expect((await owner('PUT', `${path}/members/member@example.com`)).body).toMatchObject({ role: 'member' });
      expect((await owner('POST', '/servers', { name: 'blue tools', team: team['id'] })).body).toMatchObject({
        visibility: 'team',
        team: team['id'],
      });
      expect((await member('GET', path)).status).toBe(200);
      expect((await member('GET', '/servers')).body['items']).toHaveLength(1);
      expect((await member('PUT', path, { name: 'red' })).status).toBe(403);
      expect((await other('GET', path)).status).toBe(403);
      expect((await other('GET', '/servers')).body['items']).toHaveLength(0);
      expect((await owner('POST', '/servers', { name: 'foreign', team: '0'.repeat(32) })).body).toMatchObject({
        errors: [{ pointer: '/team' }],
      });

      expect((await member('DELETE', `${path}/members/member@example.com`)).status).toBe(204);
      expect((await member('GET', '/servers')).body['items']).toHaveLength(0);
      expect((await admin('DELETE', path)).body).toMatchObject({ code: 'refused_by_state' });
      await owner('DELETE', '/servers/blue tools');
      expect((await admin('DELETE', path)).status).toBe(204);
    });
  });

  describe('tokens', () => {
    it('are shown once, work, and stop working when they are revoked', async () => {
      await using scene = await openScene();
      const { gateway, admin } = scene;
      const made = await admin('POST', '/tokens', { name: 'mine', permissions: ['servers.read'], expiresInDays: 7 });
      const token = String(made.body['token']);
      expect(made).toMatchObject({ status: 201, body: { user: 'admin@example.com', permissions: ['servers.read'] } });
      const narrow = checkedCalls(gateway, token);
      expect((await narrow('GET', '/servers')).status).toBe(200);
      expect((await narrow('GET', '/users')).status).toBe(403);
      const { body } = await admin('GET', '/tokens');
      expect(JSON.stringify(body)).not.toContain(token);
      const path = `/tokens/${String(made.body['id'])}`;
      expect((await admin('PUT', path, { name: 'renamed' })).body).toMatchObject({ name: 'renamed', active: true });
      expect((await admin('DELETE', path)).status).toBe(204);
      expect((await narrow('GET', '/servers')).status).toBe(401);
      expect((await admin('GET', path)).body).toMatchObject({ active: false });
      expect(JSON.stringify((await admin('GET', '/audit?limit=500')).body)).not.toContain(token);
    });

    it('never allow more than whoever made them, whatever he asks for', async () => {
      await using scene = await openScene();
      const { gateway, admin } = scene;
      const viewer = checkedCalls(gateway, await gateway.tokenFor('viewer@example.com', 'viewer'));
      expect((await viewer('POST', '/tokens', { name: 'x', permissions: ['audit.read'] })).status).toBe(403);
      expect((await viewer('POST', '/tokens', { name: 'x', user: 'admin@example.com' })).status).toBe(403);
      expect((await viewer('GET', '/tokens')).body['items']).toHaveLength(1);

      // A token that is confined can only make one that is confined in the same way, for whomever.
      const confined = await admin('POST', '/tokens', {
        name: 'confined',
        permissions: ['tokens.write', 'users.read', 'visibility.all'],
        addresses: ['127.0.0.0/8'],
        expiresInDays: 1,
      });
      const thief = checkedCalls(gateway, String(confined.body['token']));
      const bounds = { addresses: ['127.0.0.0/8'], expiresAt: confined.body['expiresAt'] };
      expect((await thief('POST', '/tokens', { name: 'grown' })).body).toMatchObject({
        permissions: ['tokens.write', 'users.read', 'visibility.all'],
        ...bounds,
      });
      await admin('POST', '/users', { email: 'later@example.com' });
      // He may do nothing yet; what he gets later is not for whoever made the token before.
      const ofAnother = await thief('POST', '/tokens', { name: 'x', user: 'later@example.com' });
      expect(ofAnother.body).toMatchObject({ user: 'later@example.com', ...bounds });
      expect(ofAnother.body['permissions']).toEqual(
        expect.arrayContaining(['tokens.write', 'users.read', 'visibility.all']),
      );
      expect(ofAnother.body['permissions']).toHaveLength(3);
      const wide = { name: 'x', user: 'later@example.com', permissions: ['audit.read'] };
      expect((await thief('POST', '/tokens', wide)).status).toBe(403);
      expect((await thief('POST', '/tokens', { name: 'x', addresses: ['0.0.0.0/0'] })).status).toBe(422);
      expect((await thief('POST', '/tokens', { name: 'x', permissions: ['roles.write'] })).status).toBe(403);
    });

    it('that are narrowed to permissions have no say about the tokens of their user, but about themselves', async () => {
      await using scene = await openScene();
      const { gateway, admin } = scene;
      const other = await admin('POST', '/tokens', { name: 'other' });
      const made = await admin('POST', '/tokens', { name: 'narrow', permissions: ['servers.read'] });
      const narrow = checkedCalls(gateway, String(made.body['token']));
      // Else whoever got hold of it would have another one when it is revoked.
      expect((await narrow('POST', '/tokens', { name: 'heir' })).status).toBe(403);
      expect(((await narrow('GET', '/tokens')).body as unknown as Listed).items.map(({ id }) => id)).toEqual([
        made.body['id'],
      ]);
      expect((await narrow('GET', `/tokens/${String(other.body['id'])}`)).status).toBe(404);
      expect((await narrow('DELETE', `/tokens/${String(other.body['id'])}`)).status).toBe(404);
      expect((await admin('GET', `/tokens/${String(other.body['id'])}`)).body).toMatchObject({ active: true });
      expect((await narrow('DELETE', `/tokens/${String(made.body['id'])}`)).status).toBe(204);
      expect((await narrow('GET', '/servers')).status).toBe(401);
    });

    it('of others need more than the permission for tokens: they show what is seen by those others', async () => {
      await using scene = await openScene();
      const { gateway, admin } = scene;
      await admin('POST', '/roles', { name: 'clerk', permissions: ['tokens.read', 'tokens.write'] });
      await admin('POST', '/users', { email: 'victim@example.com' });
      const clerk = checkedCalls(gateway, await gateway.tokenFor('clerk@example.com', 'clerk'));
      const refused = await clerk('POST', '/tokens', { name: 'x', user: 'victim@example.com' });
      expect(refused).toMatchObject({ status: 403, body: { permission: 'visibility.all' } });
    });

    it('that are confined to virtual servers reach those and nothing else of the API', async () => {
      await using scene = await openScene();
      const { gateway, admin } = scene;
      const { body: mine } = await admin('POST', '/servers', { name: 'mine', visibility: 'public' });
      await admin('POST', '/servers', { name: 'theirs', visibility: 'public' });
      const made = await admin('POST', '/tokens', { name: 'x', virtualServers: [mine['id']] });
      const confined = checkedCalls(gateway, String(made.body['token']));
      expect(((await confined('GET', '/servers')).body as unknown as Listed).items.map(({ id }) => id)).toEqual([
        mine['id'],
      ]);
      expect((await confined('GET', '/servers/theirs')).status).toBe(404);
      for (const path of ['/v1/tools', '/v1/users', '/v1/gateways', '/v1/tokens', '/v1/status']) {
        expect((await confined('GET', path)).status, path).toBe(403);
      }
    });

    it('are refused with every field that cannot be', async () => {
      await using scene = await openScene();
      const { admin } = scene;
      const refused = await admin('POST', '/tokens', {
        name: 'x',
        user: 'nobody@example.com',
        addresses: ['10.0.0.0/8', 'anywhere'],
        virtualServers: ['none'],
        hours: { timeZone: 'Mars/Olympus', days: [1], from: '08:00', to: '18:00' },
        expiresAt: '2020-01-01T00:00:00.000Z',
      });
      const pointers = (refused.body['errors'] as readonly { readonly pointer: string }[]).map(
        ({ pointer }) => pointer,
      );
      expect(pointers).toEqual(['/user', '/addresses/1', '/hours', '/virtualServers/0', '/expiresAt']);
    });
  });
});
