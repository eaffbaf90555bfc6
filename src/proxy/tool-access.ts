/** Which tools of a server clients may see and call: one rule for listing and for calling. */
import type { UpstreamPool } from '../upstream/pool.ts';

/** True when clients may see and call the tool. */
export function toolAllowed(pool: UpstreamPool, tool: string): boolean {
  return pool.config.tools?.includes(tool) ?? true;
}
