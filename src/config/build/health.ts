/** Turns the `health` part of a server into its Config. */
import { DEFAULT_HEALTH, type HealthConfig } from '../health.ts';
import type { RawHealth } from '../schema/health.ts';

export function healthOf(raw: RawHealth = {}): HealthConfig {
  const { interval, timeout, failureThreshold, successThreshold, jitter, longestPause, unreachable, refreshInterval } =
    raw;
  return {
    intervalMs: orOff(interval, DEFAULT_HEALTH.intervalMs),
    timeoutMs: timeout === undefined ? DEFAULT_HEALTH.timeoutMs : timeout * 1000,
    failureThreshold: failureThreshold ?? DEFAULT_HEALTH.failureThreshold,
    successThreshold: successThreshold ?? DEFAULT_HEALTH.successThreshold,
    jitter: jitter ?? DEFAULT_HEALTH.jitter,
    longestPauseMs: longestPause === undefined ? DEFAULT_HEALTH.longestPauseMs : longestPause * 1000,
    unreachable: unreachable ?? DEFAULT_HEALTH.unreachable,
    refreshIntervalMs: orOff(refreshInterval, DEFAULT_HEALTH.refreshIntervalMs),
  };
}

/** 0 turns it off. */
function orOff(seconds: number | undefined, fallback: number | undefined): number | undefined {
  if (seconds === undefined) return fallback;
  return seconds === 0 ? undefined : seconds * 1000;
}
