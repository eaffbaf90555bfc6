/** What container and HTTP servers have in common. */
import type { GatewayConfig } from '../config.ts';
import type { Diagnostics } from '../diagnostics.ts';
import { type Scope, writtenPath } from '../dialect.ts';

/** The scope without fields that were dealt with by name. */
export function without(scope: Scope, fields: readonly string[]): Scope {
  const values: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const [name, value] of Object.entries(scope.values)) if (!fields.includes(name)) values[name] = value;
  return { ...scope, values };
}

/** 0 and nothing mean: as the gateway says. */
export function toolTimeoutMs(seconds: number | undefined, gateway: GatewayConfig): number {
  return seconds === undefined || seconds === 0 ? gateway.toolTimeoutMs : seconds * 1000;
}

/** The names of the visible tools; undefined for all. */
export function toolFilter(
  scope: Scope,
  tools: readonly string[] | undefined,
  log: Diagnostics,
): readonly string[] | undefined {
  if (tools === undefined || tools.includes('*')) return undefined;
  if (tools.length === 0) {
    log.warn({
      path: writtenPath(scope, ['tools']),
      message: 'an empty list hides every tool of the server',
      suggestion: 'Write ["*"] or leave it out for all tools.',
    });
  }
  return [...new Set(tools)];
}
