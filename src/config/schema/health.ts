/** Schema of the health checks of one server. */
import * as z from 'zod';
import { MAX_TIMER_SECONDS } from '../defaults.ts';
import { DEFAULT_HEALTH } from '../health.ts';
import { field } from './field.ts';
import { seconds } from './shapes.ts';

const MIN_REFRESH_SECONDS = 10;
const MAX_THRESHOLD = 100;

const threshold = z.int().min(1).max(MAX_THRESHOLD);

function inSeconds(ms: number | undefined): string {
  return String((ms ?? 0) / 1000);
}

export const healthSchema = z.strictObject({
  interval: field(z.union([z.literal(0), seconds(1)]), {
    description:
      'Seconds between two checks; 0 = the server is not checked. Traffic that shows that it lives counts as a check.',
    expects: `0 (off) or a positive integer of seconds, at most ${MAX_TIMER_SECONDS}`,
    fallback: inSeconds(DEFAULT_HEALTH.intervalMs),
  }).optional(),
  timeout: field(seconds(1), {
    description: 'Seconds that the answer to a check may take.',
    expects: `a positive integer (>= 1) of seconds, at most ${MAX_TIMER_SECONDS}`,
    fallback: inSeconds(DEFAULT_HEALTH.timeoutMs),
  }).optional(),
  failureThreshold: field(threshold, {
    description:
      'Failures in a row (checks without an answer, attempts to connect, lost connections) after which the server counts as unreachable.',
    expects: `an integer between 1 and ${MAX_THRESHOLD}`,
    fallback: String(DEFAULT_HEALTH.failureThreshold),
  }).optional(),
  successThreshold: field(threshold, {
    description: 'Successes in a row after which an unreachable server counts as there again; connecting is the first.',
    expects: `an integer between 1 and ${MAX_THRESHOLD}`,
    fallback: String(DEFAULT_HEALTH.successThreshold),
  }).optional(),
  jitter: field(z.number().min(0).max(1), {
    description:
      'Makes each interval longer or shorter by up to this share of it, so that servers are not all checked at once.',
    expects: 'a number between 0 and 1',
    fallback: String(DEFAULT_HEALTH.jitter),
  }).optional(),
  longestPause: field(seconds(1), {
    description:
      'Seconds of the longest pause between two attempts to reach a server that is down; pauses begin at 0.1 and double.',
    expects: `a positive integer (>= 1) of seconds, at most ${MAX_TIMER_SECONDS}`,
    fallback: inSeconds(DEFAULT_HEALTH.longestPauseMs),
  }).optional(),
  unreachable: field(z.enum(['hide', 'mark']), {
    description:
      '`hide`: items of the server leave listings while it is unreachable. `mark`: they stay as they were listed last, with `io.gatehouse/unreachable` in `_meta`.',
    fallback: `\`${DEFAULT_HEALTH.unreachable}\``,
  }).optional(),
  refreshInterval: field(z.union([z.literal(0), seconds(MIN_REFRESH_SECONDS)]), {
    description:
      'Seconds after which what the server lists is read anew, beside each notice of a change; 0 = only then.',
    expects: `0 (off) or at least ${MIN_REFRESH_SECONDS} (an integer of seconds, at most ${MAX_TIMER_SECONDS})`,
    fallback: inSeconds(DEFAULT_HEALTH.refreshIntervalMs),
  }).optional(),
});

export type RawHealth = z.output<typeof healthSchema>;
