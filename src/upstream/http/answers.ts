/** Finds out, without reading more than it must, whether what a server sent answers a request. */
import { scanArray, scanObject, setMember, sliceSpan, type Span } from '../../mcp/json-text.ts';
import type { Received } from '../../mcp/large-message.ts';
import { isObject, sameId } from '../../mcp/message.ts';

/**
 * The messages in a body or event. Versions up to 2025-03-26 may send several as an array; each is cut out as it is.
 */
export function splitBatch(text: string): readonly string[] {
  if (text.startsWith('{') && text.endsWith('}')) return [text];
  const trimmed = text.trim();
  if (trimmed === '') return [];
  if (!trimmed.startsWith('[')) return [trimmed];
  return scanArray(trimmed).map((span) => sliceSpan(trimmed, span));
}

/**
 * True when the message is the response to the request whose id has this raw JSON text, or an error that names no
 * request. A response that breaks off in the middle counts: whoever parses it says what is wrong with it.
 */
export function answers(message: Received, requestId: string): boolean {
  if (typeof message !== 'string')
    return isResponse(
      responseIn(message.members, (span) => message.cut(span)),
      requestId,
    );
  const text = message;
  // What most servers write: nothing that follows can make it anything else than this response or no JSON-RPC at all.
  const beginning = `{"jsonrpc":"2.0","id":${requestId},"result":`;
  if (text.slice(0, beginning.length) === beginning) return true;
  // What has a method is no response; most messages on a stream are of this kind.
  if (text.slice(0, NOTIFICATION.length) === NOTIFICATION) return false;
  return isResponse(readResponse(text), requestId);
}

function isResponse(response: Response | undefined, requestId: string): boolean {
  if (response === undefined) return false;
  return response.id === undefined ? response.failed : sameId(response.id, requestId);
}

const NOTIFICATION = '{"jsonrpc":"2.0","method":';

interface Response {
  /** Raw JSON text; undefined when it is null or missing. */
  readonly id: string | undefined;
  readonly failed: boolean;
}

function readResponse(text: string): Response | undefined {
  if (!text.includes('"result"') && !text.includes('"error"')) return undefined;
  try {
    return responseIn(scanObject(text), (span) => sliceSpan(text, span));
  } catch {
    // Not JSON, or a member twice: the reader of the message will say so.
    return undefined;
  }
}

function responseIn(members: ReadonlyMap<string, Span>, cut: (span: Span) => string): Response | undefined {
  const failed = members.has('error');
  if (members.has('method') || failed === members.has('result')) return undefined;
  const span = members.get('id');
  const id = span && cut(span);
  return { id: id === 'null' ? undefined : id, failed };
}

export interface ErrorAnswer {
  readonly text: string;
  readonly code: unknown;
  /** True when the server itself named this request. */
  readonly ownId: boolean;
}

/**
 * The JSON-RPC error in a body that is about the whole HTTP request, made the response to this request: such bodies
 * have the id null, or one that the server made up. undefined when the body is no JSON-RPC error.
 */
export function errorAnswer(body: string, requestId: string): ErrorAnswer | undefined {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return undefined;
  }
  if (!isObject(value) || value['jsonrpc'] !== '2.0' || !isObject(value['error'])) return undefined;
  const text = body.trim();
  const response = readResponse(text);
  if (response === undefined) return undefined;
  const ownId = response.id !== undefined && sameId(response.id, requestId);
  return { text: ownId ? text : setMember(text, 'id', requestId), code: value['error']['code'], ownId };
}
