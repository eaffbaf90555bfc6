/** What became of a reload, for somebody who may not know of all servers. */
import type { Config } from '../config/config.ts';
import type { ReloadResult } from './reload.ts';

export interface Onlooker {
  /** True for whoever may know of all servers, also of those that are gone. */
  readonly seesAll: boolean;
  /** Of servers that there are. */
  readonly isVisible: (server: string) => boolean;
}

const HIDDEN_REASON = 'The reason is in the log, and in this answer for those who may see all servers.';

/** Without the names of servers that do not exist for the onlooker; what sentences say goes only to those for whom all do. */
export function visibleReload(
  result: ReloadResult,
  { managed, servers }: Pick<Config, 'managed' | 'servers'>,
  { seesAll, isVisible }: Onlooker,
): ReloadResult {
  const isWhole = servers.every(({ name }) => isVisible(name));
  // Without a store nobody can have hidden anything.
  if (seesAll || (isWhole && !managed)) return result;
  const visible = (names: readonly string[]): readonly string[] => names.filter(isVisible);
  const { added, removed, changed, kept } = result.servers;
  return {
    ...result,
    // Who could see one that is gone is not known any more.
    servers: { added: visible(added), removed: visible(removed), changed: visible(changed), kept: visible(kept) },
    notes: isWhole ? result.notes : [],
    errors: isWhole || result.ok ? result.errors : [HIDDEN_REASON],
  };
}
