/** The Mcp-* headers of modern requests: made from a message, and checked against it. */
import { GatewayError } from '../../shared/errors.ts';
import type { Message } from '../message.ts';
import { MODERN_VERSION } from '../versions.ts';
import { decodeHeaderValue, encodeHeaderValue, trimSpace } from './header-value.ts';

const VERSION_HEADER = 'mcp-protocol-version';
const METHOD_HEADER = 'mcp-method';
const NAME_HEADER = 'mcp-name';
export const PARAM_PREFIX = 'mcp-param-';

/** The parameter that `Mcp-Name` repeats, by method. */
const NAMED: ReadonlyMap<string | undefined, string> = new Map([
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri'],
  ['tasks/get', 'taskId'],
  ['tasks/update', 'taskId'],
  ['tasks/cancel', 'taskId'],
]);

/** The Mcp-* headers of a request, by lower-case name, each exactly as it came. */
export interface McpHeaders {
  readonly version: string | undefined;
  readonly method: string | undefined;
  readonly name: string | undefined;
  /** What `name` stands for; undefined also for what stands for nothing. */
  readonly decodedName: string | undefined;
  /** `Mcp-Param-*`, by the whole lower-case name. */
  readonly params: ReadonlyMap<string, string>;
}

/**
 * Picks the Mcp-* headers out of the raw list (name, value, name, value, …). Throws `header_mismatch` for one that
 * stands twice: two readers could then use two different values.
 */
export function readMcpHeaders(raw: readonly string[]): McpHeaders {
  let headers = READ.get(raw);
  if (headers === undefined) READ.set(raw, (headers = collect(raw)));
  return headers;
}

/** By the list itself, which is the same one for all requests that repeat a head on the fast path. */
const READ = new WeakMap<readonly string[], McpHeaders>();

function collect(raw: readonly string[]): McpHeaders {
  const found = new Map<string, string>();
  const params = new Map<string, string>();
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index]?.toLowerCase() ?? '';
    if (!name.startsWith('mcp-')) continue;
    if (found.has(name)) throw mismatch(`The header ${raw[index] ?? ''} stands twice.`);
    const value = raw[index + 1] ?? '';
    found.set(name, value);
    if (name.startsWith(PARAM_PREFIX)) params.set(name, value);
  }
  const name = found.get(NAME_HEADER);
  return {
    version: trimmed(found, VERSION_HEADER),
    method: trimmed(found, METHOD_HEADER),
    name,
    decodedName: name === undefined ? undefined : decodeHeaderValue(name),
    params,
  };
}

function trimmed(found: ReadonlyMap<string, string>, name: string): string | undefined {
  const value = found.get(name);
  return value === undefined ? undefined : trimSpace(value);
}

/**
 * Checks the standard headers of a modern message against its body. Throws `header_mismatch`. Notifications need none
 * of them, but what they have must be true (2026-07-28, basic/transports, "Server Validation").
 */
export function checkStandardHeaders(headers: McpHeaders, message: Message, claimed: string): void {
  const required = message.kind === 'request';
  compare('MCP-Protocol-Version', headers.version, claimed, required);
  compare('Mcp-Method', headers.method, message.method ?? '', required);
  const parameter = namedParameter(message);
  if (parameter === undefined) return;
  if (headers.name === undefined) return compare('Mcp-Name', undefined, parameter, required);
  if (headers.decodedName === undefined) throw mismatch('The header Mcp-Name holds no valid base64 of UTF-8.');
  compare('Mcp-Name', headers.decodedName, parameter, required);
}

function compare(name: string, header: string | undefined, body: string, required: boolean): void {
  if (header === undefined) {
    if (required) throw mismatch(`The header ${name} is missing; the body says ${JSON.stringify(body)}.`);
    return;
  }
  if (header !== body)
    throw mismatch(`The header ${name} says ${JSON.stringify(header)}, the body ${JSON.stringify(body)}.`);
}

/** The value that `Mcp-Name` repeats; undefined for methods without one, and for params that lack it. */
export function namedParameter(message: Message): string | undefined {
  const parameter = NAMED.get(message.method);
  const value = parameter === undefined ? undefined : message.parameter(parameter);
  return typeof value === 'string' ? value : undefined;
}

/** The standard headers of a request that the gateway sends, by lower-case name. */
export function standardHeaders(message: Message): Record<string, string> {
  const headers: Record<string, string> = {
    [VERSION_HEADER]: MODERN_VERSION,
    [METHOD_HEADER]: encodeHeaderValue(message.method ?? ''),
  };
  const name = namedParameter(message);
  if (name !== undefined) headers[NAME_HEADER] = encodeHeaderValue(name);
  return headers;
}

export function mismatch(detail: string): GatewayError {
  return new GatewayError('header_mismatch', `The headers and the body disagree: ${detail}`, { detail });
}
