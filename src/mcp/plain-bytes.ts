/** Finds the end of runs in JSON, in bytes: of what stands for itself inside a string, of escapes, of spaces. */

/** Runs are looked at byte by byte for so long; then by searches, which are dear to begin: texts have an escape in each of their lines. */
const SHORT = 512;
/** How far a search looks ahead: what it finds far away would be searched for again behind every escape. */
const WINDOW = 8_192;

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
export const LETTER_U = 0x75;
/** 1 for a byte that stands for itself inside a string. */
const PLAIN = new Uint8Array(256).map((_, byte) => Number(byte >= SPACE && byte !== QUOTE && byte !== BACKSLASH));

/** 1 for what may follow a backslash, but for `u`. */
export const ESCAPABLE = new Uint8Array(256).map((_, byte) => Number('"\\/bfnrt'.includes(String.fromCharCode(byte))));
export const HEX = new Uint8Array(256).map((_, byte) => Number(/[0-9A-Fa-f]/.test(String.fromCharCode(byte))));

/** The first byte from `at` on that does not stand for itself inside a string, or `end`. */
export function skipPlain(bytes: Buffer, from: number, end: number): number {
  const short = Math.min(end, from + SHORT);
  let at = from;
  while (at < short && PLAIN[bytes[at] ?? 0] === 1) at++;
  return at < short || at === end ? at : skipLong(bytes, at, end);
}

/** The same for long strings, where searches of the runtime are worth their calls. */
function skipLong(bytes: Buffer, from: number, end: number): number {
  for (let start = from; start < end; start += WINDOW) {
    const window = bytes.subarray(start, Math.min(end, start + WINDOW));
    const quote = window.indexOf(QUOTE);
    const stop = quote === -1 ? window.length : quote;
    const backslash = window.indexOf(BACKSLASH);
    const length = backslash === -1 ? stop : Math.min(stop, backslash);
    const plain = skipUncontrolled(bytes, start, start + length);
    if (plain < start + window.length) return plain;
  }
  return end;
}

/** The first control character, or `end`; eight bytes at a time. */
function skipUncontrolled(bytes: Buffer, from: number, end: number): number {
  const aligned = Math.min(end, from + ((4 - ((bytes.byteOffset + from) & 3)) & 3));
  let at = from;
  while (at < aligned && (bytes[at] ?? 0) >= SPACE) at++;
  if (at < aligned || at === end) return at;
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + at, (end - at) >> 2);
  const pairs = words.length - 1;
  let index = 0;
  for (; index < pairs; index += 2) {
    const one = words[index] ?? 0;
    const two = words[index + 1] ?? 0;
    // The highest bit of a byte of the difference is set where the byte is below a space, unless it was set before.
    if ((((one - 0x20202020) & ~one) | ((two - 0x20202020) & ~two)) & 0x80808080) break;
  }
  at += index * 4;
  while (at < end && (bytes[at] ?? 0) >= SPACE) at++;
  return at;
}

/** Behind all spaces. */
export function skipSpace(bytes: Buffer, from: number, end: number): number {
  let at = from;
  while (at < end && isSpace(bytes[at] ?? 0)) at++;
  return at;
}

/** Behind all escapes that are whole in this piece, and follow one another. */
export function skipEscapes(bytes: Buffer, from: number, end: number): number {
  let at = from;
  while (at + 1 < end && bytes[at] === BACKSLASH) {
    const byte = bytes[at + 1] ?? 0;
    if (ESCAPABLE[byte] === 1) at += 2;
    else if (byte === LETTER_U && at + 6 <= end && isHex(bytes, at + 2)) at += 6;
    else break;
  }
  return at;
}

function isHex(bytes: Buffer, at: number): boolean {
  return (
    HEX[bytes[at] ?? 0] === 1 &&
    HEX[bytes[at + 1] ?? 0] === 1 &&
    HEX[bytes[at + 2] ?? 0] === 1 &&
    HEX[bytes[at + 3] ?? 0] === 1
  );
}

export function isSpace(byte: number): boolean {
  return byte === SPACE || byte === LF || byte === CR || byte === TAB;
}
