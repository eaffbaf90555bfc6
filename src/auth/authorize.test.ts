import { describe, expect, it } from 'vitest';
import type { Access } from '../config/registration.ts';
import type { Principal } from './authenticator.ts';
import {
  isConfined,
  may,
  mayAnywhere,
  sees,
  seesInApi,
  seesVirtualServer,
  seesVirtualServerInApi,
} from './authorize.ts';
import { BUILT_IN_ROLES, PERMISSIONS, type Permission } from './permissions.ts';

const NOBODY: Principal = {
  subject: 'somebody',
  issuer: 'api-token',
  user: undefined,
  teams: [],
  grants: [],
  credential: 'token:x',
  scope: { permissions: undefined, teams: undefined },
  virtualServers: undefined,
};

function grant(permissions: readonly Permission[], team?: string): Principal['grants'][number] {
  return { permissions: new Set(permissions), team };
}

const PUBLIC: Access = { visibility: 'public', owner: 'ann@example.com', team: 'red' };
const TEAM: Access = { visibility: 'team', owner: 'ann@example.com', team: 'red' };
const PRIVATE: Access = { visibility: 'private', owner: 'ann@example.com', team: 'red' };

describe('what a principal may do', () => {
  it('is nothing without a grant, for every permission that exists', () => {
    for (const permission of Object.keys(PERMISSIONS) as Permission[]) {
      expect(may(NOBODY, permission)).toBe(false);
      expect(may(NOBODY, permission, PUBLIC)).toBe(false);
      expect(mayAnywhere(NOBODY, permission)).toBe(false);
    }
  });

  it('is what a grant names, and nothing beside it', () => {
    const principal = { ...NOBODY, grants: [grant(['tools.read', 'tools.call'])] };
    const allowed = (Object.keys(PERMISSIONS) as Permission[]).filter((permission) => may(principal, permission, TEAM));
    expect(allowed).toEqual(['tools.read', 'tools.call']);
  });

  it('holds for the objects of one team only when the grant does', () => {
    const principal = { ...NOBODY, grants: [grant(['gateways.write'], 'red')] };
    expect(may(principal, 'gateways.write', TEAM)).toBe(true);
    expect(may(principal, 'gateways.write', { ...TEAM, team: 'blue' })).toBe(false);
    expect(may(principal, 'gateways.write', { ...TEAM, team: undefined })).toBe(false);
    expect(may(principal, 'gateways.write')).toBe(false);
    expect(mayAnywhere(principal, 'gateways.write')).toBe(true);
  });

  it('adds up over grants', () => {
    const principal = { ...NOBODY, grants: [grant(['tools.read'], 'red'), grant(['tools.call'], 'blue')] };
    expect(may(principal, 'tools.call', { team: 'blue' })).toBe(true);
    expect(may(principal, 'tools.call', { team: 'red' })).toBe(false);
  });

  it('grows from viewer over developer and operator to admin, who may do everything', () => {
    const { viewer, developer, operator, admin } = BUILT_IN_ROLES;
    expect(developer).toEqual(expect.arrayContaining([...viewer]));
    expect(operator).toEqual(expect.arrayContaining([...developer]));
    expect(admin.toSorted()).toEqual(Object.keys(PERMISSIONS).toSorted());
    expect(operator).not.toContain('gateways.container');
  });
});

describe('what exists for a principal', () => {
  const owner = { ...NOBODY, user: 'ann@example.com' };
  const member = { ...NOBODY, user: 'bob@example.com', teams: ['blue', 'red'] };
  const stranger = { ...NOBODY, user: 'eve@example.com', teams: ['blue'] };
  const agent = NOBODY;
  const admin = { ...stranger, grants: [grant(BUILT_IN_ROLES.admin)] };

  it.each([
    ['owner', owner, [true, false, true]],
    ['member of the team', member, [true, true, false]],
    ['member of another team', stranger, [true, false, false]],
    ['agent without an account', agent, [true, false, false]],
    ['administrator', admin, [true, false, false]],
  ] as const)('%s: public, team, private', (_name, principal, expected) => {
    expect([PUBLIC, TEAM, PRIVATE].map((access) => sees(principal, access))).toEqual(expected);
  });

  it('is not shown to those without an account because an object has no owner or no team', () => {
    expect(sees(agent, { visibility: 'private', owner: undefined, team: undefined })).toBe(false);
    expect(sees(agent, { visibility: 'team', owner: undefined, team: undefined })).toBe(false);
  });

  it('is everything for visibility.all, in the management API only', () => {
    expect([PUBLIC, TEAM, PRIVATE].map((access) => seesInApi(admin, access))).toEqual([true, true, true]);
    const ofRed = { ...stranger, grants: [grant(['visibility.all'], 'red')] };
    expect(seesInApi(ofRed, PRIVATE)).toBe(true);
    expect(seesInApi(ofRed, { ...PRIVATE, team: 'blue' })).toBe(false);
  });

  it('is, for a token confined to virtual servers, those and nothing else', () => {
    const confined = { ...admin, virtualServers: ['one'] };
    expect(isConfined(confined)).toBe(true);
    expect(isConfined(admin)).toBe(false);
    expect(seesVirtualServer(confined, { id: 'one', access: PUBLIC })).toBe(true);
    expect(seesVirtualServer(confined, { id: 'one', access: PRIVATE })).toBe(false);
    expect(seesVirtualServer(confined, { id: 'two', access: PUBLIC })).toBe(false);
    expect(seesVirtualServerInApi(confined, { id: 'one', access: PRIVATE })).toBe(true);
    expect(seesVirtualServerInApi(confined, { id: 'two', access: PUBLIC })).toBe(false);
    expect(seesInApi(confined, PUBLIC)).toBe(false);
    expect(seesVirtualServer({ ...admin, virtualServers: [] }, { id: 'one', access: PUBLIC })).toBe(false);
  });
});
