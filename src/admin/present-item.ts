/** One tool, resource or prompt as the management API shows it: what its server says, under what an operator says. */
import type { ItemOverride, ItemReference } from '../config/registration.ts';
import { unifiedName } from '../mcp/naming.ts';
import type { ItemRecord } from '../store/store.ts';
import { isFields } from './compatibility.ts';
import type { KnownServer } from './known-servers.ts';
import { iso } from './objects.ts';

const FIELDS = ['name', 'title', 'description', 'annotations'] as const;

/** `naming` is that of the endpoint for all servers. */
export function presentItem(
  item: ItemRecord,
  override: ItemOverride | undefined,
  server: KnownServer,
  naming: 'prefixed' | 'plain',
): object {
  const definition = definitionOf(item.text);
  const annotations = isFields(definition['annotations']) ? definition['annotations'] : undefined;
  const state = server.pool?.health.state;
  const common = {
    id: item.id,
    server: item.server,
    serverId: server.id,
    title: override?.title ?? text(definition['title']),
    description: override?.description ?? text(definition['description']),
    annotations:
      annotations === undefined && override?.annotations === undefined
        ? null
        : { ...annotations, ...override?.annotations },
    tags: override?.tags ?? [],
    enabled: override?.enabled ?? true,
    listed: item.present,
    reachable: state === 'healthy' || state === 'degraded',
    changed: override === undefined ? [] : FIELDS.filter((field) => override[field] !== undefined),
    definition,
    createdAt: iso(item.createdAt),
    updatedAt: iso(item.updatedAt),
  };
  if (item.kind === 'resource' || item.kind === 'resource-template') {
    const place = item.kind === 'resource' ? { uri: item.key } : { uriTemplate: item.key };
    return { ...common, ...place, mimeType: text(definition['mimeType']) };
  }
  const names = {
    name: override?.name ?? item.key,
    unifiedName: override?.name ?? (naming === 'prefixed' ? unifiedName(item.server, item.key) : item.key),
    originalName: item.key,
  };
  if (item.kind === 'prompt') return { ...common, ...names };
  const allowList = server.pool?.config.tools;
  return { ...common, ...names, allowed: allowList === undefined || allowList.includes(item.key) };
}

/** True when it changes nothing about the item. */
export function isNeutral(override: ItemOverride): boolean {
  return override.enabled && override.tags.length === 0 && FIELDS.every((field) => override[field] === undefined);
}

export function keyOf({ server, kind, key }: ItemReference): string {
  return JSON.stringify([server, kind, key]);
}

function definitionOf(json: string): Readonly<Record<string, unknown>> {
  const value: unknown = JSON.parse(json);
  return isFields(value) ? value : {};
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
