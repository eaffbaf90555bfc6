/** Has a refusal of what somebody may not do written into the audit log, before the caller hears of it. */
import type { Principal } from '../auth/authenticator.ts';
import type { ErrorCode, GatewayError } from '../shared/errors.ts';
import { ForeignSession } from './foreign-session.ts';
import { HiddenTarget } from './hidden-target.ts';

export interface Denied {
  readonly principal: Principal;
  readonly requestId: string;
  /** Address of the peer. */
  readonly address: string | undefined;
  /** What was asked for: a method of MCP, or verb and path. */
  readonly action: string;
  /** Name of the server that it was for, and of its tool, prompt or resource, as far as they are known. */
  readonly server: string | undefined;
  readonly target: string | undefined;
  readonly reason: string;
}

/** Resolves when it is written, or when that is impossible; then the log has it. */
export type RecordDenial = (denied: Denied) => Promise<void>;

/** The reason why something is denied that exists for others: the caller hears that it does not exist. */
export const NOT_FOR_HIM = 'It does not exist for this caller.';

/** `unauthorized` is a signature that is wrong: who somebody is was found out before. */
const DENIALS: ReadonlySet<ErrorCode> = new Set(['forbidden', 'tool_not_allowed', 'unauthorized']);

const recorded = new WeakSet<GatewayError>();

/** There is a line for this failure. */
export function isRecorded(failure: GatewayError): boolean {
  return recorded.has(failure);
}

/** Does nothing for other failures. Never rejects. */
export async function recordDenial(
  record: RecordDenial,
  failure: GatewayError,
  asked: () => Omit<Denied, 'reason'>,
): Promise<void> {
  const { cause, code, message } = failure;
  const reason =
    cause instanceof HiddenTarget ? NOT_FOR_HIM : cause instanceof ForeignSession ? cause.message : message;
  const isDenial = cause instanceof HiddenTarget || cause instanceof ForeignSession || DENIALS.has(code);
  if (!isDenial) return;
  recorded.add(failure);
  const denied = asked();
  await record({ ...denied, server: cause instanceof HiddenTarget ? cause.server : denied.server, reason });
}
