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

/** Does nothing for other failures. Never rejects. */
export async function recordDenial(
  record: RecordDenial,
  failure: GatewayError,
  asked: () => Omit<Denied, 'reason'>,
): Promise<void> {
  if (failure.cause instanceof HiddenTarget)
    await record({ ...asked(), server: failure.cause.server, reason: NOT_FOR_HIM });
  else if (failure.cause instanceof ForeignSession) await record({ ...asked(), reason: failure.cause.message });
  else if (DENIALS.has(failure.code)) await record({ ...asked(), reason: failure.message });
}
