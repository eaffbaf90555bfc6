/** Tells nonsense from what may become a request, for bytes that come while another request is being answered. */
import { METHODS } from 'node:http';

const LONGEST_METHOD = Math.max(...METHODS.map(({ length }) => length));

/**
 * False when no HTTP parser would find a request at the beginning of the bytes, however they go on. Node parses what
 * comes behind a request at once and then ends the connection, so it must end here too and not only after the answer.
 */
export function mayBeginRequest(bytes: Buffer): boolean {
  let at = 0;
  // Empty lines before a request are passed over.
  while (bytes[at] === 0x0d || bytes[at] === 0x0a) at++;
  const start = bytes.toString('latin1', at, at + LONGEST_METHOD + 1);
  const space = start.indexOf(' ');
  if (space === -1) return METHODS.some((method) => method.startsWith(start));
  return METHODS.includes(start.slice(0, space));
}

/** True for line breaks alone, which are all that may follow the last request of a connection. */
export function isEmptyLines(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0x0d || byte === 0x0a);
}
