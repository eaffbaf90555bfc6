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

/** True when a message of this severity is wanted by somebody who asked for `wanted`; who asked for nothing wants all. */
export function isWanted(level: unknown, wanted: string | undefined): boolean {
  return wanted === undefined || typeof level !== 'string' || LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf(wanted);
}
