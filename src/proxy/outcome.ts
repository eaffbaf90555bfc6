/** What is said and written down of a request that has come to its end. */
import { errorText, paramsOf, type Message } from '../mcp/message.ts';
import { statusOfCode } from '../mcp/modern/errors.ts';
import { recordDenial, type Denied } from './denial.ts';
import type { Exchange } from './exchange.ts';
import type { Front } from './front.ts';
import { expected, rpcErrorOf } from './respond.ts';
import { kindOf } from './route.ts';

/** More of what was asked for is not written into the audit log. */
const MAX_TARGET_LENGTH = 500;

export interface RequestRecord extends Pick<Exchange, 'requestId' | 'principal' | 'route' | 'notes'> {
  /** undefined when it could not be read. */
  readonly message: Message | undefined;
  readonly outcome: string;
  /** By the clock of `performance.now()`. */
  readonly startedAt: number;
}

export function logRequest({ recordAccess, metrics }: Front, record: RequestRecord): void {
  const { requestId, principal, route, message, notes, outcome, startedAt } = record;
  const { server, target } = notes;
  const ms = performance.now() - startedAt;
  metrics.request(kindOf(route), server, message?.method, outcome, ms);
  const method = message?.method ?? message?.kind;
  recordAccess({ requestId, principal: principal.subject, method, server, target, outcome, ms });
}

/** Tells the client why there is no other answer; the code of it. Rejects with refused handshakes and with faults. */
export async function answerFailure(front: Front, exchange: Exchange, error: unknown): Promise<string> {
  const { message, reply, modern } = exchange;
  const id = message.id ?? 'null';
  const failure = expected(error, exchange.requestId);
  if (failure.code === 'cancelled') {
    reply.drop(failure, id);
    return failure.code;
  }
  // Clients retry a refused handshake by its HTTP status; a fault must be logged by the caller.
  if (failure.code === 'internal' || (message.method === 'initialize' && modern === undefined)) throw error;
  await recordDenial(front.recordDenial, failure, () => deniedCall(exchange));
  const rpcError = rpcErrorOf(failure, exchange.requestId, modern === undefined ? 'legacy' : 'modern');
  reply.answer(errorText(id, rpcError), modern === undefined ? 200 : statusOfCode(rpcError.code));
  return failure.code;
}

/** What the audit log says of a request that was denied. */
export function deniedCall({
  principal,
  requestId,
  address,
  message,
  notes,
}: Omit<DeniedRequest, 'message'> & { readonly message: Message | undefined }): Omit<Denied, 'reason'> {
  const { name, uri } = message?.kind === 'request' ? paramsOf(message) : {};
  const asked = typeof name === 'string' ? name : typeof uri === 'string' ? uri : undefined;
  return {
    principal,
    requestId,
    address,
    action: message?.method ?? 'unknown',
    server: notes.server,
    target: notes.target ?? asked?.slice(0, MAX_TARGET_LENGTH),
  };
}

type DeniedRequest = Pick<Exchange, 'principal' | 'requestId' | 'address' | 'message' | 'notes'>;
