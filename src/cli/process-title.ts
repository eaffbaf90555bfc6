/**
 * What `ps`, `pgrep -f` and `pkill -f` see of a gateway that serves. The first word is ours; the second is the name that
 * runbooks for other MCP gateways look for, so that their `kill -HUP $(pgrep -f mcpgateway)` reaches this one.
 */
const NAMES = 'gatehouse (mcpgateway)';

/** Keeps the arguments: an operator tells several gateways apart by them. */
export function nameServingProcess(args: readonly string[]): void {
  process.title = [NAMES, ...args].join(' ');
}
