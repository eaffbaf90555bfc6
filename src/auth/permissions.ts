/** What somebody may be allowed to do, and the roles that come with the product. */

/** Every permission, with what it allows. `docs/reference/permissions.md` is generated from it. */
export const PERMISSIONS = {
  'tools.read': 'See tools in listings and in the API.',
  'tools.call': 'Call tools.',
  'tools.write': 'Enable, disable, rename, describe and tag tools.',
  'resources.read': 'See, read and subscribe to resources.',
  'resources.write': 'Enable, disable, rename, describe and tag resources.',
  'prompts.read': 'See and get prompts.',
  'prompts.write': 'Enable, disable, rename, describe and tag prompts.',
  'gateways.read': 'See registered MCP servers and their health.',
  'gateways.write': 'Register, change, refresh and remove MCP servers that are reached over HTTP.',
  'gateways.container': 'Register and change MCP servers that run in containers.',
  'gateways.test': 'Test the way to an MCP server without registering it.',
  'servers.read': 'See virtual servers.',
  'servers.write': 'Create, change and remove virtual servers.',
  'tokens.read': 'See the API tokens of others.',
  'tokens.write':
    'Revoke API tokens of others, and with `visibility.all` create them. Everybody may do so for themselves.',
  'users.read': 'See users.',
  'users.write': 'Create, change and remove users.',
  'teams.read': 'See teams and their members.',
  'teams.write': 'Create, change and remove teams, and their members.',
  'roles.read': 'See roles and who has them.',
  'roles.write': 'Create, change, remove, give and take roles.',
  'config.read': 'See the effective configuration, without secrets.',
  'config.write': 'Import configuration.',
  'config.export': 'Export configuration, without secrets.',
  'config.export-secrets': 'Export configuration together with its secrets.',
  'audit.read': 'Read and verify the audit log.',
  'events.read': 'Follow changes of state as they happen.',
  'status.read': 'See status, metrics and certificates.',
  'gateway.operate': 'Reload, set log levels, close the gateway.',
  'visibility.all': 'See and manage, in the API only, what is private to others or to other teams.',
} as const satisfies Readonly<Record<string, string>>;

export type Permission = keyof typeof PERMISSIONS;

const VIEWER = [
  'tools.read',
  'resources.read',
  'prompts.read',
  'gateways.read',
  'servers.read',
  'events.read',
  'status.read',
] as const satisfies readonly Permission[];

const DEVELOPER = [...VIEWER, 'tools.call', 'gateways.test'] as const satisfies readonly Permission[];

const OPERATOR = [
  ...DEVELOPER,
  'tools.write',
  'resources.write',
  'prompts.write',
  'gateways.write',
  'servers.write',
  'config.read',
  'config.write',
  'config.export',
  'teams.read',
  'gateway.operate',
] as const satisfies readonly Permission[];

/** What agents may do that the configuration lets in without an account: use what is public, and operate the gateway (specification 1.17). */
export const AGENT_PERMISSIONS: readonly Permission[] = [...DEVELOPER, 'gateway.operate'];

/** The roles that are always there and cannot be changed. Each has what the one before it has. */
export const BUILT_IN_ROLES = {
  viewer: VIEWER,
  developer: DEVELOPER,
  operator: OPERATOR,
  admin: Object.keys(PERMISSIONS) as readonly Permission[],
} as const satisfies Readonly<Record<string, readonly Permission[]>>;

export function isPermission(name: string): name is Permission {
  return Object.hasOwn(PERMISSIONS, name);
}
