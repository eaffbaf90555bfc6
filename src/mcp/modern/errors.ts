/** Error codes of the two eras: what a code of one means in the other, and with which HTTP status it travels. */
import { isObject, type JsonObject } from '../message.ts';

export const METHOD_NOT_FOUND = -32601;
export const INVALID_PARAMS = -32602;
export const HEADER_MISMATCH = -32020;
export const MISSING_CAPABILITY = -32021;
export const UNSUPPORTED_VERSION = -32022;
/** Legacy: the resource does not exist. Modern servers must not use it. */
export const LEGACY_RESOURCE_NOT_FOUND = -32002;
/** Legacy: the client must visit a URL first. */
export const LEGACY_URL_ELICITATION = -32042;

/**
 * The code with which an error of a legacy server reaches a modern client. Only `resources/read` and its relatives know
 * -32002 as "not found"; elsewhere it may be a code of the server's own, which passes.
 */
export function modernCode(code: number, method: string): number {
  return code === LEGACY_RESOURCE_NOT_FOUND && method.startsWith('resources/') ? INVALID_PARAMS : code;
}

/**
 * The code of an error of the gateway for a modern client: codes of our own must lie outside -32768 to -32000
 * (2026-07-28, basic). Those of the MCP Gateway Specification that do not become -31000 minus the HTTP status.
 */
export function modernGatewayCode(code: number, status: number): number {
  return code > -32020 && code <= -32000 ? -31000 - status : code;
}

/** The HTTP status with which a JSON-RPC error answers a modern request. */
export function statusOfCode(code: number): number {
  if (code === METHOD_NOT_FOUND) return 404;
  return code === HEADER_MISMATCH || code === MISSING_CAPABILITY || code === UNSUPPORTED_VERSION ? 400 : 200;
}

/** True for an error -32022 whose list of supported versions holds `version`. */
export function namesVersion({ value }: { readonly value: JsonObject }, version: string): boolean {
  const { error } = value;
  if (!isObject(error) || error['code'] !== UNSUPPORTED_VERSION || !isObject(error['data'])) return false;
  const { supported } = error['data'];
  return Array.isArray(supported) && supported.includes(version);
}
