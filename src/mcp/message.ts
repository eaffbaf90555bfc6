/** One JSON-RPC 2.0 message, kept as the exact text that arrived beside what a gateway must know of it. */
import { GatewayError } from '../shared/errors.ts';
import { outlineOf, type JsonOutline } from './json-outline.ts';
import { JsonScanError, type JsonLimits } from './json-scanner.ts';
import { LargeMessage, ParsedMessage, type Described } from './parsed-message.ts';
import { LARGE_TEXT, SERVER_LIMITS } from './shape.ts';
import { readSmall } from './small-message.ts';
import { findSpan, refuseLookalikes, scanWithParams, sliceSpan, splice, type Edit, type Span } from './json-text.ts';

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json | undefined;
}

export type MessageKind = 'request' | 'notification' | 'response';

export interface Message {
  readonly kind: MessageKind;
  /** The message as it was sent: forwarding it forwards every number, key order and unknown field unchanged. */
  readonly text: string;
  /** Raw JSON text of the id: `1`, `"a"`; undefined for notifications, and for error responses without an id. */
  readonly id: string | undefined;
  readonly method: string | undefined;
  /** True for a response that carries `error`. */
  readonly failed: boolean;
  /** The parsed message, for reading only: numbers beyond 2^53 are inexact here, and exact in `text`. */
  readonly value: JsonObject;
  /** Where the values of the outermost members stand in `text`. Whoever wants one of them asks `member`. */
  readonly members: ReadonlyMap<string, Span>;
  /** The same for the members of `params`; empty when there are none. */
  readonly params: ReadonlyMap<string, Span>;
  /** True when no two names of members can be spellings of one: they are lower-case letters and underscores. */
  readonly isPlain?: boolean;
  /**
   * Of large messages: what they were scanned as. Whoever can do with it should not ask for `text`, nor for the places
   * in that: making a text of megabytes stalls everybody.
   */
  readonly outline?: JsonOutline | undefined;
  /** Where the value of an outermost member stands in `text`. */
  member(name: string): Span | undefined;
  /** The same for a member of `params`. */
  param(name: string): Span | undefined;
  /** One of the params, for reading only; undefined when there is none. Of a small message nothing else is parsed. */
  parameter(name: string): Json | undefined;
}

/**
 * Reads one message. Throws `parse_error` for what is not JSON and `invalid_request` for what is not JSON-RPC 2.0,
 * or names a member of the message or of its params twice (the value that is checked must be the value that is used).
 */
export function parseMessage(text: string, limits: JsonLimits = SERVER_LIMITS): Message {
  const small = readSmall(text);
  if (small !== undefined) return small;
  if (text.length > LARGE_TEXT) return parseLarge(text, limits);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new GatewayError('parse_error', 'The message is not valid JSON.');
  }
  if (!isObject(value)) throw noObject(Array.isArray(value));
  checkVersion(value);
  const { members, params } = scanWithParams(text);
  return describe(text, value, members, params);
}

/** The same for a text that is scanned instead: whatever its shape, that takes a few milliseconds for each megabyte. */
function parseLarge(text: string, limits: JsonLimits): Message {
  let outline: JsonOutline | undefined;
  try {
    outline = outlineOf(text, limits);
  } catch (error) {
    throw scanFault(error);
  }
  if (outline === undefined) throw noObject(text.trimStart().startsWith('['));
  return outlinedMessage(outline);
}

/** What is looked at of every message: of a large one, the rest may be. */
const LOOKED_AT = ['jsonrpc', 'id', 'method'] as const;
const LOOKED_AT_IN_PARAMS = ['_meta', 'name', 'uri', 'ref', 'cursor', 'taskId', 'level', 'requestId'] as const;

function refuseLarge(members: ReadonlyMap<string, Span>, names: readonly string[]): void {
  for (const name of names) {
    const span = members.get(name);
    if (span !== undefined && span.end - span.start > LARGE_TEXT)
      throw new GatewayError('invalid_request', `The member "${name}" is larger than ${LARGE_TEXT} bytes.`);
  }
}

/** A message that was scanned while it came. Throws as `parseMessage`. */
export function outlinedMessage(outline: JsonOutline): Message {
  const { members, inner, innerOf } = outline;
  refuseLarge(members, LOOKED_AT);
  if (innerOf === 'params') refuseLarge(inner, LOOKED_AT_IN_PARAMS);
  const value = outline.value as JsonObject;
  checkVersion(value);
  // Of one of the three the members are known.
  const own = members.has('method') ? 'params' : members.has('error') ? 'error' : 'result';
  if (innerOf !== own && innerOf !== undefined)
    throw new GatewayError(
      'invalid_request',
      `A message with "${own === 'params' ? 'method' : own}" has no "${innerOf}".`,
    );
  return describe(outline, value, members, innerOf === 'params' ? inner : NO_MEMBERS);
}

/** What a fault of the scanner means for whoever sent the message. Anything else is given back as it is. */
export function scanFault(error: unknown): unknown {
  if (!(error instanceof JsonScanError)) return error;
  const { fault, message } = error;
  if (fault === 'syntax') return new GatewayError('parse_error', 'The message is not valid JSON.');
  return new GatewayError('invalid_request', fault === 'duplicate' ? message : `The message is refused: ${message}.`);
}

function checkVersion(value: JsonObject): void {
  if (value['jsonrpc'] !== '2.0') throw new GatewayError('invalid_request', 'The member "jsonrpc" must be "2.0".');
}

function noObject(isArray: boolean): GatewayError {
  return new GatewayError(
    'invalid_request',
    isArray
      ? 'JSON-RPC batches are not part of this protocol version; send one message.'
      : 'A JSON-RPC message must be an object.',
  );
}

const NO_MEMBERS: ReadonlyMap<string, Span> = new Map();

function describe(
  source: string | JsonOutline,
  value: JsonObject,
  members: ReadonlyMap<string, Span>,
  params: ReadonlyMap<string, Span>,
): Message {
  const method = value['method'];
  const idSpan = members.get('id');
  const id = idSpan === undefined || value['id'] === null ? undefined : cut(source, idSpan);
  if (id !== undefined && typeof value['id'] !== 'string' && typeof value['id'] !== 'number') {
    throw new GatewayError('invalid_request', 'The member "id" must be a string or a number.');
  }
  if (typeof method === 'string') {
    const parsed = value['params'];
    if (parsed !== undefined && !isObject(parsed)) {
      throw new GatewayError('invalid_request', 'The member "params" must be an object.');
    }
    if (idSpan !== undefined && id === undefined) {
      throw new GatewayError('invalid_request', 'The id of a request must not be null.');
    }
    const kind = id === undefined ? 'notification' : 'request';
    return messageOf(source, { kind, id, method, failed: false, value, members, params });
  }
  if (method !== undefined) throw new GatewayError('invalid_request', 'The member "method" must be a string.');
  const failed = members.has('error');
  if (failed === members.has('result')) {
    throw new GatewayError('invalid_request', 'A message needs "method", or exactly one of "result" and "error".');
  }
  return messageOf(source, { kind: 'response', id, method: undefined, failed, value, members, params });
}

function cut(source: string | JsonOutline, span: Span): string {
  return typeof source === 'string' ? sliceSpan(source, span) : source.cut(span);
}

function messageOf(source: string | JsonOutline, described: Described): Message {
  return typeof source === 'string' ? new ParsedMessage(source, described) : new LargeMessage(source, described);
}

/** What holds for messages of clients beside `parseMessage`: no two spellings of one member. Throws `invalid_request`. */
export function checkSpelling(message: Message): void {
  if (message.isPlain === true) return;
  const { outline } = message;
  refuseLookalikes(outline?.members ?? message.members);
  if (outline === undefined) refuseLookalikes(message.params);
  else if (outline.innerOf === 'params') refuseLookalikes(outline.inner);
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The params of a request or notification; an empty object when there are none. */
export function paramsOf(message: Message): JsonObject {
  const params = message.value['params'];
  return isObject(params) ? params : {};
}

/** A parameter that must be a string. Throws `invalid_params` naming it. */
export function stringParam(message: Message, name: string): string {
  const value = message.parameter(name);
  if (typeof value === 'string') return value;
  throw new GatewayError('invalid_params', `${message.method ?? 'The request'} needs the string parameter "${name}".`);
}

/** The raw JSON text of `params._meta.progressToken`, and where it stands. */
export function progressTokenOf(message: Message): { readonly raw: string; readonly span: Span } | undefined {
  const meta = message.parameter('_meta');
  if (!isObject(meta) || meta['progressToken'] === undefined) return undefined;
  const span = spanIn(message, ['params', '_meta', 'progressToken']);
  return span && { raw: sliceSpan(message.text, span), span };
}

/** A large request under another id and, where it has a progress token, with that for a token; and the one that it had, as raw JSON text. */
export function renumbered(
  message: Message,
  outline: JsonOutline,
  id: string,
): { readonly pieces: readonly Buffer[]; readonly token: string | undefined } {
  const meta = rawIn(message, ['params', '_meta']);
  const span = meta === undefined ? undefined : findSpan(meta, ['progressToken']);
  if (meta === undefined || span === undefined) return { pieces: outline.changed({ outer: { id } }), token: undefined };
  const inner = { _meta: splice(meta, [{ span, text: id }]) };
  return { pieces: outline.changed({ outer: { id }, inner }), token: sliceSpan(meta, span) };
}

/** Where a nested value stands in the text of a message. */
export function spanIn(message: Message, path: readonly [string, ...string[]]): Span | undefined {
  const [first, second, ...rest] = path;
  if (first !== 'params' || second === undefined) {
    const outer = message.member(first);
    return outer === undefined || second === undefined ? outer : findSpan(message.text, [second, ...rest], outer.start);
  }
  const inner = message.param(second);
  return inner === undefined || rest.length === 0 ? inner : findSpan(message.text, rest, inner.start);
}

/** The raw JSON text of a nested value; undefined when there is none. */
export function rawIn(message: Message, path: readonly [string, ...string[]]): string | undefined {
  const { outline } = message;
  if (outline === undefined) {
    const span = spanIn(message, path);
    return span && sliceSpan(message.text, span);
  }
  const [first, second, ...rest] = path;
  const isInner = second !== undefined && first === outline.innerOf;
  const span = isInner ? outline.inner.get(second) : outline.members.get(first);
  const text = span && outline.cut(span);
  const further = isInner ? rest : path.slice(1);
  const found = text === undefined || further.length === 0 ? undefined : findSpan(text, further);
  return text === undefined || further.length === 0 ? text : found && sliceSpan(text, found);
}

/** The id that a cancellation names, as raw JSON text. */
export function cancelledId(message: Message): string | undefined {
  return paramsOf(message)['requestId'] === undefined ? undefined : rawIn(message, ['params', 'requestId']);
}

/** True when two ids, as raw JSON text, are the same, however they are spelled. */
export function sameId(given: string, expected: string): boolean {
  if (given === expected) return true;
  try {
    return JSON.parse(given) === JSON.parse(expected);
  } catch {
    return false;
  }
}

/** The text of the message with another id. `id` is raw JSON text. */
export function withId(message: Message, id: string): string {
  return splice(message.text, idEdit(message, id));
}

/** The edits that give a message another id, to be combined with others. */
export function idEdit(message: Message, id: string): Edit[] {
  const span = message.member('id');
  return span === undefined ? [] : [{ span, text: id }];
}

/** The raw JSON text of the result of a response; undefined for an error. */
export function resultText(message: Message): string | undefined {
  const span = message.member('result');
  return span && sliceSpan(message.text, span);
}

export function requestText(id: string, method: string, params?: string): string {
  return `{"jsonrpc":"2.0","id":${id},"method":${JSON.stringify(method)}${params === undefined ? '' : `,"params":${params}`}}`;
}

export function notificationText(method: string, params?: string): string {
  return `{"jsonrpc":"2.0","method":${JSON.stringify(method)}${params === undefined ? '' : `,"params":${params}`}}`;
}

/** A successful response. `id` and `result` are raw JSON text. */
export function responseText(id: string, result: string): string {
  return `{"jsonrpc":"2.0","id":${id},"result":${result}}`;
}

export interface RpcError {
  readonly code: number;
  readonly message: string;
  readonly data?: JsonObject;
}

/** An error response. `id` is raw JSON text; undefined becomes null. */
export function errorText(id: string | undefined, error: RpcError): string {
  return `{"jsonrpc":"2.0","id":${id ?? 'null'},"error":${JSON.stringify(error)}}`;
}
