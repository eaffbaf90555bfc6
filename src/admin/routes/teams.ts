/** `/teams`: who shares what. Members see their teams, and owners change them, without any role. */
import type { z } from 'zod';
import { mayForHimself } from '../../auth/authorize.ts';
import type { MembershipRecord, TeamRecord } from '../../store/store.ts';
import { teamContent as auditOf, teamReference as referenceTo } from '../audited.ts';
import { emailSchema, memberInput, memberSchema, teamChange, teamInput, teamSchema } from '../contract/accounts.ts';
import { idSchema } from '../contract/common.ts';
import { refuseStrangers } from '../escalation.ts';
import type { Call } from '../http/call.ts';
import { pageOf, pageQuery, paged } from '../http/page.ts';
import { invalidInput } from '../http/problem.ts';
import { route, type JsonAnswer, type Route } from '../http/route.ts';
import { iso, noSuchObject } from '../objects.ts';

const TAG = 'Teams';
const params = { id: idSchema };
const memberParams = { id: idSchema, email: emailSchema };
const shown = { description: 'The team.', schema: teamSchema };

export const TEAM_ROUTES: readonly Route[] = [
  route({
    action: 'team.list',
    method: 'GET',
    path: '/teams',
    requires: { permission: 'teams.read' },
    tag: TAG,
    summary: 'Lists teams',
    query: pageQuery,
    answers: { 200: { description: 'One page.', schema: pageOf(teamSchema) } },
    async handle(call) {
      const teams = (await call.context.store.teams()).filter(({ id }) => call.may('teams.read', { team: id }));
      return { body: paged(teams, ({ id }) => id, call.query, present) };
    },
  }),
  route({
    action: 'team.create',
    method: 'POST',
    path: '/teams',
    requires: { permission: 'teams.write' },
    tag: TAG,
    summary: 'Creates a team, with the caller as its owner',
    body: teamInput,
    answers: { 201: { description: 'The team; `Location` leads to it.', schema: teamSchema } },
    errors: ['already_exists'],
    idempotent: true,
    async handle(call) {
      call.need('teams.write');
      const { name, description } = call.body;
      const owner = call.principal.user;
      const isKnown = owner !== undefined && (await call.context.store.user(owner)) !== undefined;
      return call.change(
        async (tx) => {
          const record = await tx.insertTeam({ name, description: description ?? undefined });
          if (isKnown) await tx.putMembership({ team: record.id, user: owner, role: 'owner' });
          return { result: record, object: referenceTo(record), before: undefined, after: auditOf(record) };
        },
        (record) => ({ ...one(record), status: 201, headers: { location: `/v1/teams/${record.id}` } }),
      );
    },
  }),
  route({
    action: 'team.read',
    method: 'GET',
    path: '/teams/{id}',
    requires: { permission: 'teams.read' },
    tag: TAG,
    summary: 'Shows a team',
    params,
    answers: { 200: shown },
    handle: async (call) => one(await find(call, call.params.id, 'teams.read')),
  }),
  route({
    action: 'team.update',
    method: 'PUT',
    path: '/teams/{id}',
    requires: { permission: 'teams.write' },
    tag: TAG,
    summary: 'Changes a team',
    params,
    body: teamChange,
    answers: { 200: shown },
    errors: ['already_exists', 'stale_version'],
    async handle(call) {
      const before = await find(call, call.params.id, 'teams.write');
      const { name, description } = call.body;
      return call.change(async (tx) => {
        const record = await tx.updateTeam(before.id, call.ifVersion ?? before.version, {
          ...(name === undefined ? {} : { name }),
          ...(description === undefined ? {} : { description: description ?? undefined }),
        });
        return { result: record, object: referenceTo(record), before: auditOf(before), after: auditOf(record) };
      }, one);
    },
  }),
  route({
    action: 'team.delete',
    method: 'DELETE',
    path: '/teams/{id}',
    requires: { permission: 'teams.write' },
    tag: TAG,
    summary: 'Removes a team that has nothing any more',
    params,
    answers: { 204: { description: 'The team is gone.' } },
    errors: ['stale_version', 'refused_by_state'],
    async handle(call) {
      const before = await find(call, call.params.id, 'teams.write');
      return call.change(
        async (tx) => {
          const record = await tx.deleteTeam(before.id, call.ifVersion);
          return { result: undefined, object: referenceTo(record), before: auditOf(record), after: undefined };
        },
        () => ({ status: 204 }),
      );
    },
  }),
  route({
    action: 'team.list-members',
    method: 'GET',
    path: '/teams/{id}/members',
    requires: { permission: 'teams.read' },
    tag: TAG,
    summary: 'Lists the members of a team',
    params,
    query: pageQuery,
    answers: { 200: { description: 'One page.', schema: pageOf(memberSchema) } },
    async handle(call) {
      const { id } = await find(call, call.params.id, 'teams.read');
      const members = await call.context.store.memberships({ team: id });
      return {
        body: paged(
          members,
          ({ user }) => user,
          call.query,
          ({ user, role }) => ({ user, role }),
        ),
      };
    },
  }),
  route({
    action: 'team.put-member',
    method: 'PUT',
    path: '/teams/{id}/members/{email}',
    requires: { permission: 'teams.write' },
    tag: TAG,
    summary: 'Adds a member, or changes what a member is',
    description: 'It counts at once.',
    params: memberParams,
    body: memberInput,
    optionalBody: true,
    answers: { 200: { description: 'The member.', schema: memberSchema } },
    errors: ['stale_version'],
    async handle(call) {
      const team = await find(call, call.params.id, 'teams.write');
      refuseStrangers(call, team.id);
      const user = await call.context.store.user(call.params.email);
      if (user === undefined) {
        throw invalidInput([{ parameter: 'email', detail: 'is no user', remedy: 'Create the user first.' }]);
      }
      const before = await membership(call, team, user.email);
      if (before !== undefined) call.refuseUnlessNew();
      const next: MembershipRecord = { team: team.id, user: user.email, role: call.body?.role ?? 'member' };
      return call.change(
        async (tx) => {
          await tx.putMembership(next);
          return { result: undefined, object: referenceTo(team), before, after: next };
        },
        () => ({ body: { user: next.user, role: next.role } }),
      );
    },
  }),
  route({
    action: 'team.delete-member',
    method: 'DELETE',
    path: '/teams/{id}/members/{email}',
    requires: { permission: 'teams.write', otherwise: 'Everybody may leave a team.' },
    tag: TAG,
    summary: 'Removes a member',
    description: 'It counts at once.',
    params: memberParams,
    answers: { 204: { description: 'He is no member any more.' } },
    async handle(call) {
      const leaves = call.principal.user === call.params.email && mayForHimself(call.principal, 'teams.write');
      const team = await find(call, call.params.id, leaves ? 'teams.read' : 'teams.write');
      const before = await membership(call, team, call.params.email);
      if (before === undefined) throw noSuchObject('member', call.params.email);
      return call.change(
        async (tx) => {
          await tx.deleteMembership(team.id, before.user);
          return { result: undefined, object: referenceTo(team), before, after: undefined };
        },
        () => ({ status: 204 }),
      );
    },
  }),
];

/** By id, or by name. Who may not even read it does not hear that it is there. */
async function find(call: Call, key: string, permission: 'teams.read' | 'teams.write'): Promise<TeamRecord> {
  const { store } = call.context;
  const team = (await store.team(key)) ?? (await store.teams()).find(({ name }) => name === key);
  if (team === undefined) throw noSuchObject('team', key);
  if (!call.may('teams.read', { team: team.id })) throw noSuchObject('team', key, referenceTo(team));
  call.need(permission, { team: team.id }, referenceTo(team));
  return team;
}

async function membership({ context }: Call, { id }: TeamRecord, user: string): Promise<MembershipRecord | undefined> {
  return (await context.store.memberships({ team: id, user }))[0];
}

function one(record: TeamRecord): JsonAnswer {
  return { body: present(record), etag: String(record.version) };
}

function present({ id, name, description, createdAt, updatedAt }: TeamRecord): z.infer<typeof teamSchema> {
  return { id, name, description: description ?? null, createdAt: iso(createdAt), updatedAt: iso(updatedAt) };
}
