/** Finds out, without reading more than it must, whether what a server sent answers a request. */
import { scanArray, scanObject, setMember, sliceSpan } from '../../mcp/json-text.ts';
import { isObject, sameId } from '../../mcp/message.ts';

/**
 * The messages in a body or event. Versions up to 2025-03-26 may send several as an array; each is cut out as it is.
 */
export function splitBatch(text: string): readonly string[] {
  const trimmed = text.trim();
  if (trimmed === '') return [];
  if (!trimmed.startsWith('[')) return [trimmed];
  return scanArray(trimmed).map((span) => sliceSpan(trimmed, span));
}

/**
 * True when the message is the response to the request whose id has this raw JSON text, or an error that names no
 * request. A response that breaks off in the middle counts: whoever parses it says what is wrong with it.
 */
export function answers(text: string, requestId: string): boolean {
  // What most servers write: nothing that follows can make it anything else than this response or no JSON-RPC at all.
  if (text.startsWith('{"jsonrpc":"2.0","id":') && text.startsWith(`${requestId},"result":`, 22)) return true;
  const response = readResponse(text);
  if (response === undefined) return false;
  return response.id === undefined ? response.failed : sameId(response.id, requestId);
}

interface Response {
  /** Raw JSON text; undefined when it is null or missing. */
  readonly id: string | undefined;
  readonly failed: boolean;
}

function readResponse(text: string): Response | undefined {
  // Most messages on a stream are progress: they are told apart by a plain search.
  if (!text.includes('"result"') && !text.includes('"error"')) return undefined;
  try {
    const members = scanObject(text);
    const failed = members.has('error');
    if (members.has('method') || failed === members.has('result')) return undefined;
    const span = members.get('id');
    const id = span && sliceSpan(text, span);
    return { id: id === 'null' ? undefined : id, failed };
  } catch {
    // Not JSON, or a member twice: the reader of the message will say so.
    return undefined;
  }
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
