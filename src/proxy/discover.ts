/** `server/discover` for modern clients: what the route can really serve, whatever era its servers speak. */
import { scanObject, setMember, sliceSpan } from '../mcp/json-text.ts';
import { isObject, type JsonObject } from '../mcp/message.ts';
import { without } from '../mcp/modern/envelope.ts';
import { modernResult, UNCACHED } from '../mcp/modern/results.ts';
import { ALL_VERSIONS } from '../mcp/versions.ts';
import type { UpstreamPool } from '../upstream/pool.ts';
import type { Exchange } from './exchange.ts';
import { endpointInfo, unifiedOffer } from './fan-out.ts';
import { TASKS_EXTENSION } from './task-ids.ts';

/** The result, raw JSON text. `pool` = the server of a routed endpoint. */
export async function discover(exchange: Exchange, pool: UpstreamPool | undefined, version: string): Promise<string> {
  if (pool === undefined) return unified(exchange, version);
  exchange.notes.server = pool.name;
  const modern = await pool.modern();
  if (modern !== undefined) {
    const text = setMember(modern.discovered, 'supportedVersions', JSON.stringify(ALL_VERSIONS));
    return modernResult('server/discover', text, JSON.stringify({ name: pool.name, version: '0' }));
  }
  const { initializeResult } = await pool.shared();
  const members = scanObject(initializeResult);
  const part = (name: string): string | undefined => {
    const span = members.get(name);
    return span && sliceSpan(initializeResult, span);
  };
  // Tasks of the legacy era are another protocol than the extension of the modern one.
  let result = `{"supportedVersions":${JSON.stringify(ALL_VERSIONS)},"capabilities":${without(part('capabilities') ?? '{}', ['tasks'])}}`;
  const instructions = part('instructions');
  if (instructions !== undefined) result = setMember(result, 'instructions', instructions);
  return modernResult('server/discover', result, part('serverInfo'));
}

async function unified(exchange: Exchange, version: string): Promise<string> {
  const { capabilities, instructions } = await unifiedOffer(exchange, 'server/discover');
  const tasks = await tasksSettings(exchange);
  const result = JSON.stringify({
    supportedVersions: ALL_VERSIONS,
    capabilities: tasks === undefined ? capabilities : { ...capabilities, extensions: { [TASKS_EXTENSION]: tasks } },
    ...(instructions === undefined ? {} : { instructions }),
  });
  return modernResult('server/discover', result, JSON.stringify(endpointInfo(exchange.view, version)), UNCACHED);
}

/** Tasks are the one extension that the unified endpoint can route, by their ids; its settings are those of the first server. */
async function tasksSettings(exchange: Exchange): Promise<JsonObject | undefined> {
  for (const pool of exchange.view.pools.values()) {
    const upstream = await pool.modern().catch(() => undefined);
    const extensions = upstream?.capabilities['extensions'];
    const settings = isObject(extensions) ? extensions[TASKS_EXTENSION] : undefined;
    if (isObject(settings)) return settings;
  }
  return undefined;
}
