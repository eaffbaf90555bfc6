/** A Config on its way to a process that has the one before: of hundreds of servers only those travel that are new. */
import type { Config } from '../config/config.ts';
import type { ConfigDelta } from './messages.ts';

/** Without `known` everything is in it. */
export function deltaOf(next: Config, known?: Config): ConfigDelta {
  const before = new Map(known?.servers.map((server) => [server.name, server]));
  return {
    ...next,
    servers: next.servers.map((server) => (before.get(server.name) === server ? server.name : server)),
  };
}

/** Servers that were known stay the objects that they were. Throws an Error for one that is not known. */
export function applyDelta(delta: ConfigDelta, known?: Config): Config {
  const before = new Map(known?.servers.map((server) => [server.name, server]));
  const servers = delta.servers.map((server) => {
    const found = typeof server === 'string' ? before.get(server) : server;
    if (found === undefined) throw new Error('the configuration names a server that was not sent');
    return found;
  });
  return { ...delta, servers };
}
