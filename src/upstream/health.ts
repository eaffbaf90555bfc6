/** What is known of the health of one server: state, reason, since when, and when it is looked at again. */
import type { Logger } from 'pino';
import { GatewayError, type ErrorCode } from '../shared/errors.ts';

export type HealthState =
  | 'unknown'
  | 'starting'
  | 'healthy'
  | 'degraded'
  | 'unreachable'
  | 'auth-required'
  | 'tls-error'
  | 'stopped';

export interface Health {
  readonly state: HealthState;
  /** One line for people; undefined while all is well. */
  readonly reason: string | undefined;
  /** When this state began, in ms since the epoch. */
  readonly since: number;
  /** When the server is tried or probed again, in ms since the epoch. */
  readonly nextProbe: number | undefined;
}

/** A unified listing that the server's part was missing from. */
export interface Omission {
  readonly method: string;
  readonly reason: string;
  /** In ms since the epoch. */
  readonly at: number;
}

/** Keeps `since` when only the reason or the next probe changes. */
export function nextHealth(previous: Health, state: HealthState, reason?: string, nextProbe?: number): Health {
  const since = previous.state === state ? previous.since : Date.now();
  return { state, reason, since, nextProbe };
}

/** The state that a failure puts a server into. */
export function stateOfFailure(error: unknown): HealthState {
  if (!(error instanceof GatewayError)) return 'unreachable';
  if (error.code === 'server_auth_required') return 'auth-required';
  if (error.code === 'server_tls_error') return 'tls-error';
  return 'unreachable';
}

/** The code of the error for requests that a server in this state cannot take. */
function codeOfState(state: HealthState): ErrorCode {
  if (state === 'tls-error') return 'server_tls_error';
  return state === 'auth-required' ? 'server_auth_required' : 'server_unavailable';
}

/** One line about whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The error for a request to a server that is down: why, and when it is tried again. */
export function unavailable(server: string, { reason, nextProbe, state }: Health, cause: unknown): GatewayError {
  const seconds = nextProbe === undefined ? undefined : Math.max(0, (nextProbe - Date.now()) / 1000).toFixed(1);
  const wait = seconds === undefined ? '' : ` It is tried again in ${seconds} s.`;
  const detail = `${reason ?? 'It has not been started.'}${wait}`;
  const message = `The MCP server "${server}" is not available: ${detail}`;
  return new GatewayError(codeOfState(state), message, { server, detail, cause });
}

/** One line when the state or its reason has changed: a warning when the server is not well. */
export function logHealth(log: Logger, previous: Health, { state, reason }: Health): void {
  if (previous.state === state && previous.reason === reason) return;
  const level = state === 'healthy' || state === 'starting' || state === 'stopped' ? 'info' : 'warn';
  const fields = { state, previous: previous.state, ...(reason === undefined ? {} : { reason }) };
  log[level](fields, `the server is ${state}`);
}
