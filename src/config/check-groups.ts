/** Checks the groups of servers against the servers that there are. */
import type { GatewayConfig, ServerConfig } from './config.ts';
import type { Diagnostics } from './diagnostics.ts';
import { type Scope, writtenPath } from './dialect.ts';

const NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/;

/** Reports groups that have the name of a server or one that fits in no URL, and members that are no server. */
export function checkGroups(
  scope: Scope,
  groups: GatewayConfig['groups'],
  servers: readonly ServerConfig[],
  log: Diagnostics,
): void {
  const names = new Set(servers.map(({ name }) => name));
  for (const [group, members] of Object.entries(groups)) {
    const path = [...writtenPath(scope, ['groups']), group];
    if (!NAME.test(group) || names.has(group)) {
      log.error({
        path,
        message: names.has(group)
          ? `the group '${group}' has the name of a server, and so its endpoint`
          : 'a group name must be 1 to 64 letters, digits, dots, hyphens or underscores',
        suggestion: 'Rename the group; its name becomes part of its URL.',
        atKey: true,
      });
    }
    for (const [index, member] of members.entries()) {
      if (names.has(member)) continue;
      log.error({
        path: [...path, index],
        message: `the group '${group}' names '${member}', which is no server`,
        suggestion: `The servers are: ${[...names].join(', ')}.`,
      });
    }
  }
}
