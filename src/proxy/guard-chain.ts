/** Runs the guards of the Runtime over a request and over its answer, in the order of the configuration. */
import type { Guard, GuardAnswer, GuardContext, LargeResult } from '../guards/guard.ts';
import { parseMessage, responseText, type Message } from '../mcp/message.ts';
import { GatewayError } from '../shared/errors.ts';
import type { Exchange } from './exchange.ts';
import type { Target } from './target.ts';

/** Requests without a session share one conversation per principal, and so the key of it. */
const SESSIONLESS = 'sessionless';

/** The request as the guards leave it. Rejects with the reason of the first guard that denies it. */
export async function guardRequest(exchange: Exchange, target: Target): Promise<Message> {
  let { message } = target;
  for (const guard of exchange.runtime.guards) {
    if (guard.onRequest !== undefined)
      message = apply(message, target, await guard.onRequest(message, contextOf(exchange, target)));
  }
  return message;
}

/** The answer, under the client's own id, as the guards leave it. */
export async function guardResponse(exchange: Exchange, target: Target, text: string): Promise<Message> {
  let message = parseMessage(text);
  for (const guard of exchange.runtime.guards) {
    if (guard.onResponse !== undefined)
      message = apply(message, target, await guard.onResponse(message, contextOf(exchange, target)));
  }
  return message;
}

/** The guards that look at the response to a request like this. */
export function readersOf({ runtime, message }: Exchange): readonly Guard[] {
  return runtime.guards.filter(
    (guard) => guard.onResponse !== undefined && (guard.method === undefined || guard.method === message.method),
  );
}

/** The answer in place of one with a large result; undefined when it stays as it is. For guards that can look at such. */
export async function guardLargeResult(
  exchange: Exchange,
  target: Target,
  result: LargeResult,
): Promise<Message | undefined> {
  const context = contextOf(exchange, target);
  let message: Message | undefined;
  for (const guard of readersOf(exchange)) {
    if (message !== undefined) {
      if (guard.onResponse !== undefined) message = apply(message, target, await guard.onResponse(message, context));
      continue;
    }
    const answer = await guard.onLargeResult?.(result, context);
    if (answer?.kind === 'replace-result') message = parseMessage(responseText(context.requestId, answer.result));
    else if (answer?.kind === 'deny') throw new GatewayError(answer.code, answer.reason, { server: target.pool.name });
  }
  return message;
}

function apply(message: Message, { pool }: Target, answer: GuardAnswer): Message {
  if (answer.kind === 'deny') throw new GatewayError(answer.code, answer.reason, { server: pool.name });
  return answer.kind === 'replace' ? parseMessage(answer.text) : message;
}

function contextOf({ principal, session, message }: Exchange, target: Target): GuardContext {
  return {
    server: target.pool.name,
    method: message.method ?? '',
    toolName: message.method === 'tools/call' ? target.name : undefined,
    subject: principal.subject,
    sessionId: session?.sessionId ?? `${SESSIONLESS} ${principal.subject}`,
    requestId: message.id ?? 'null',
  };
}
