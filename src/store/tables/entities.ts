/** The tables of records that have an id and a version: which field is in which column. */
import { createHash } from 'node:crypto';
import type { ItemReference } from '../../config/registration.ts';
import type {
  GatewayRecord,
  ItemRecord,
  OverrideRecord,
  RoleRecord,
  TeamRecord,
  TokenRecord,
  UserRecord,
  VirtualServerRecord,
} from '../store.ts';
import type { Entity } from './entity.ts';
import { access, email, flag, json, optionalText, optionalWhole, storable, text, whole } from './shape.ts';

/** As it stands in the table, its secrets sealed. */
export interface GatewayRow extends Omit<GatewayRecord, 'secrets'> {
  readonly sealed: string | undefined;
}

export const GATEWAYS: Entity<GatewayRow> = {
  table: 'gateways',
  noun: 'gateway',
  title: ({ name }) => name,
  shape: {
    name: text('name'),
    document: json('document'),
    sealed: optionalText('sealed'),
    access: access(),
    description: optionalText('description'),
    tags: json('tags'),
    enabled: flag('enabled'),
    state: text('state'),
    leaseUntil: optionalWhole('lease_until'),
  },
};

/** Its items are in a table of their own. */
export type VirtualServerRow = Omit<VirtualServerRecord, 'items'>;

export const VIRTUAL_SERVERS: Entity<VirtualServerRow> = {
  table: 'virtual_servers',
  noun: 'virtual server',
  title: ({ name }) => name,
  shape: {
    name: text('name'),
    description: optionalText('description'),
    access: access(),
    tags: json('tags'),
    enabled: flag('enabled'),
  },
};

const REFERENCE = { server: text('server'), kind: text<ItemReference['kind']>('kind'), key: text('key') };

export const ITEMS: Entity<ItemRecord> = {
  table: 'items',
  noun: 'item',
  title: ({ key }) => key,
  shape: { ...REFERENCE, text: text('item_text'), present: flag('present') },
};

export const OVERRIDES: Entity<OverrideRecord> = {
  table: 'overrides',
  noun: 'change of an item',
  title: ({ key }) => key,
  shape: {
    ...REFERENCE,
    enabled: flag('enabled'),
    name: optionalText('name'),
    title: optionalText('title'),
    description: optionalText('description'),
    annotations: json('annotations'),
    tags: json('tags'),
  },
};

/** What is unique of an item within its server and kind. */
export function keyHash(key: string): string {
  return createHash('sha256').update(storable(key)).digest('hex');
}

export const USERS: Entity<UserRecord> = {
  table: 'users',
  noun: 'user',
  title: (user) => user.email,
  shape: { email: email('email'), fullName: optionalText('full_name'), enabled: flag('enabled') },
};

export const TEAMS: Entity<TeamRecord> = {
  table: 'teams',
  noun: 'team',
  title: ({ name }) => name,
  shape: { name: text('name'), description: optionalText('description') },
};

export const ROLES: Entity<RoleRecord> = {
  table: 'roles',
  noun: 'role',
  title: ({ name }) => name,
  shape: { name: text('name'), description: optionalText('description'), permissions: json('permissions') },
};

export const TOKENS: Entity<TokenRecord> = {
  table: 'tokens',
  noun: 'token',
  // Its hash is nothing to be shown.
  title: () => undefined,
  shape: {
    name: text('name'),
    user: email('user_email'),
    hash: text('hash'),
    prefix: text('prefix'),
    permissions: json('permissions'),
    virtualServers: json('virtual_servers'),
    teams: json('teams'),
    addresses: json('addresses'),
    hours: json('hours'),
    expiresAt: optionalWhole('expires_at'),
    lastUsedAt: optionalWhole('last_used_at'),
    revokedAt: optionalWhole('revoked_at'),
  },
};

/** The row of `store_state`. */
export const STATE_SHAPE = {
  revision: whole('revision'),
  auditLines: whole('audit_lines'),
  auditHead: text('audit_head'),
  keyId: optionalText('key_id'),
};
