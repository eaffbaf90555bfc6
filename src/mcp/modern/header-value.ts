/** Values of Mcp-* headers: what a header cannot carry travels as `=?base64?…?=` (2026-07-28, basic/transports). */

const PREFIX = '=?base64?';
const SUFFIX = '?=';
const CANONICAL_BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
/** Visible ASCII with spaces and tabs only inside: anything else could be changed or refused on the way. */
const PLAIN = /^(?:[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?$/;
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The header value that stands for a text. What looks like the sentinel is encoded too, so that it comes back as it is. */
export function encodeHeaderValue(text: string): string {
  if (PLAIN.test(text) && !isSentinel(text)) return text;
  return `${PREFIX}${Buffer.from(text, 'utf8').toString('base64')}${SUFFIX}`;
}

/** The text behind a header value, optional white space around it taken off; undefined for a sentinel that holds no canonical base64 of UTF-8. */
export function decodeHeaderValue(value: string): string | undefined {
  const trimmed = trimSpace(value);
  if (!isSentinel(trimmed)) return trimmed;
  const payload = trimmed.slice(PREFIX.length, trimmed.length - SUFFIX.length);
  if (!CANONICAL_BASE64.test(payload)) return undefined;
  try {
    return UTF8.decode(Buffer.from(payload, 'base64'));
  } catch {
    return undefined;
  }
}

/** Takes optional white space (RFC 9110, section 5.6.3) off both ends. */
export function trimSpace(value: string): string {
  return value.replace(/^[\t ]+/, '').replace(/[\t ]+$/, '');
}

function isSentinel(value: string): boolean {
  return value.startsWith(PREFIX) && value.endsWith(SUFFIX) && value.length >= PREFIX.length + SUFFIX.length;
}
