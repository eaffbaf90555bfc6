/** Opens a session: the legacy handshake of a client. */
import { isAskable } from '../mcp/capabilities.ts';
import { setMember, sliceSpan } from '../mcp/json-text.ts';
import { isObject, paramsOf, spanIn, type Message } from '../mcp/message.ts';
import { negotiateLegacy } from '../mcp/versions.ts';
import { GatewayError } from '../shared/errors.ts';
import type { Exchange } from './exchange.ts';
import { unifiedInitializeResult } from './fan-out.ts';
import type { Front } from './front.ts';
import type { Session } from './session.ts';
import { solePool } from './view/view.ts';

const MAX_DECLARATION_LENGTH = 64 * 1024;

/** The new session and the raw text of the result. Rejects when the server of a routed endpoint is not available. */
export async function initialize(
  front: Front,
  exchange: Exchange,
): Promise<{ readonly session: Session; readonly result: string }> {
  const { route, message, principal, view } = exchange;
  const params = paramsOf(message);
  if (typeof params['protocolVersion'] !== 'string') {
    throw new GatewayError('invalid_params', 'initialize needs the string parameter "protocolVersion".');
  }
  const protocolVersion = negotiateLegacy(params['protocolVersion']);
  const result =
    route.kind === 'server'
      ? await routedResult(exchange, protocolVersion)
      : await unifiedInitializeResult(exchange, protocolVersion, front.version);
  // A client that has left in the meantime would never use the session.
  exchange.abort.signal.throwIfAborted();
  const session = front.sessions.create({
    caller: principal,
    route,
    view,
    unified: view.names.mode === 'prefixed',
    protocolVersion,
    clientInfo: rawParam(message, 'clientInfo') ?? '{"name":"unknown","version":"0"}',
    clientCapabilities: rawParam(message, 'capabilities') ?? '{}',
    askable: isObject(params['capabilities']) && isAskable(params['capabilities']),
  });
  return { session, result };
}

/** What the server itself answered, with the version that this client speaks. */
async function routedResult({ view }: Exchange, protocolVersion: string): Promise<string> {
  const upstream = await solePool(view).shared();
  return setMember(upstream.initializeResult, 'protocolVersion', JSON.stringify(protocolVersion));
}

function rawParam(message: Message, name: string): string | undefined {
  const span = isObject(paramsOf(message)[name]) ? spanIn(message, ['params', name]) : undefined;
  if (span === undefined) return undefined;
  if (span.end - span.start > MAX_DECLARATION_LENGTH) {
    throw new GatewayError(
      'invalid_params',
      `"${name}" of initialize is longer than ${MAX_DECLARATION_LENGTH} characters.`,
    );
  }
  // A copy: a slice would keep the whole body in memory for as long as the session lives.
  return Buffer.from(sliceSpan(message.text, span)).toString();
}
