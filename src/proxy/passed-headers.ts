/** The headers of a client's own request that the operator lets through to a server. */
import type { UpstreamPool } from '../upstream/pool.ts';
import type { Exchange } from './exchange.ts';

/** By lower-case name; undefined for a server that gets none. What must never pass was refused with the configuration. */
export function passedHeaders(
  { headers }: Pick<Exchange, 'headers'>,
  { config }: UpstreamPool,
): Readonly<Record<string, string>> | undefined {
  const names = config.kind === 'http' ? config.passthroughHeaders : undefined;
  if (names === undefined) return undefined;
  const passed: Record<string, string> = {};
  for (const name of names) {
    const value = headers[name];
    if (value !== undefined) passed[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return passed;
}
