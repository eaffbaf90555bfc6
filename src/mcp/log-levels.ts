/** Severities of MCP log messages (2025-11-25, server/utilities/logging): those of syslog, most talkative first. */
export const LOG_LEVELS: readonly string[] = [
  'debug',
  'info',
  'notice',
  'warning',
  'error',
  'critical',
  'alert',
  'emergency',
];

/** The level of somebody who wants no log messages at all. */
export const NO_LOG = 'none';

/** True when a message of this severity is wanted by somebody who asked for `wanted`; who asked for nothing wants all. */
export function isWanted(level: unknown, wanted: string | undefined): boolean {
  if (wanted === NO_LOG) return false;
  return wanted === undefined || typeof level !== 'string' || LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf(wanted);
}

/** True when a sender at level `current` sends everything that one at `wanted` would; who was told nothing may send less. */
export function isAtLeastAsTalkative(current: string | undefined, wanted: string): boolean {
  return current !== undefined && LOG_LEVELS.indexOf(current) <= LOG_LEVELS.indexOf(wanted);
}
