/** When a server is checked, what counts as down, and what clients see of it then. */

export interface HealthConfig {
  /** Between two checks, in ms; undefined = it is not checked. */
  readonly intervalMs: number | undefined;
  /** How long the answer to a check may take. */
  readonly timeoutMs: number;
  /** After so many failures in a row the server counts as unreachable. */
  readonly failureThreshold: number;
  /** After so many successes in a row an unreachable server counts as there again. */
  readonly successThreshold: number;
  /** Each interval is longer or shorter by up to this share of it, 0 to 1. */
  readonly jitter: number;
  /** The longest pause between two attempts to reach a server that is down. */
  readonly longestPauseMs: number;
  /** What listings do with the items of an unreachable server: leave them out, or show them with a mark. */
  readonly unreachable: 'hide' | 'mark';
  /** How often what a server lists is read anew, in ms; undefined = only when it says that it has changed. */
  readonly refreshIntervalMs: number | undefined;
}

export const DEFAULT_HEALTH: HealthConfig = {
  intervalMs: 30_000,
  timeoutMs: 10_000,
  failureThreshold: 3,
  successThreshold: 1,
  jitter: 0.25,
  longestPauseMs: 30_000,
  unreachable: 'hide',
  refreshIntervalMs: 300_000,
};
