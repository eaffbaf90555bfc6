/** Renders the reference page of permissions and roles from the tables that are enforced. */
import { BUILT_IN_ROLES, PERMISSIONS, type Permission } from './permissions.ts';

export interface Enforced {
  /** By method of MCP; one of the permissions is enough, none are needed where the list is empty. */
  readonly methods: Readonly<Record<string, readonly Permission[]>>;
  /** By name of the operation. */
  readonly operations: Readonly<Record<string, Permission>>;
}

/** The Markdown text of docs/reference/permissions.md. */
export function permissionsReference({ methods, operations }: Enforced): string {
  const roles = Object.entries<readonly Permission[]>(BUILT_IN_ROLES);
  return `${[
    '# Permissions and roles',
    'This page is generated from the tables that are enforced. Do not edit it. [Authentication](../guides/authentication.md) says who has which role.',
    '## Permissions',
    table(
      ['Permission', 'Allows', ...roles.map(([name]) => name)],
      Object.entries<string>(PERMISSIONS).map(([name, meaning]) => [
        code(name),
        meaning,
        ...roles.map(([, permissions]) => (permissions.includes(name as Permission) ? 'yes' : '')),
      ]),
    ),
    'Agents of the configuration, and clients that log in by a certificate of which the configuration says nothing else, have the permissions of `developer` and `gateway.operate`, for public objects.',
    'Whoever is in a team has `teams.read` for it, its owners `teams.write` as well.',
    '## Methods of MCP',
    'One of the permissions is enough. A method that is not here needs `tools.call`.',
    table(
      ['Method', 'Needs'],
      Object.entries(methods).map(([method, needed]) => [
        code(method),
        needed.length === 0 ? 'nothing' : needed.map(code).join(' or '),
      ]),
    ),
    '## Operations',
    '`/health` and `/ready` need nothing.',
    table(
      ['Operation', 'Needs'],
      Object.entries(operations).map(([name, permission]) => [code(`/${name}`), code(permission)]),
    ),
  ].join('\n\n')}\n`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function code(text: string): string {
  return `\`${text}\``;
}
