/**
 * Walks over JSON in ASCII and checks it, without building anything. Every function gives the place behind what it walked
 * over. Behind the text, at `end`, a byte must stand that is no part of it: `NONE`.
 */
import { isSpace, skipEscapes, skipPlain } from './plain-bytes.ts';

/** It is no JSON, or so rare a kind of it that a parser should say what it is. */
export const FAULT = -1;
export const NONE = 0;

const MAX_DEPTH = 64;

export const QUOTE = 0x22;
const PLUS = 0x2b;
export const COMMA = 0x2c;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const OPEN_ARRAY = 0x5b;
export const BACKSLASH = 0x5c;
const CLOSE_ARRAY = 0x5d;
const LETTER_A = 0x61;
const LETTER_E = 0x65;
const LETTER_F = 0x66;
const LETTER_L = 0x6c;
const LETTER_N = 0x6e;
const LETTER_R = 0x72;
const LETTER_S = 0x73;
const LETTER_T = 0x74;
const LETTER_U = 0x75;
export const OPEN_OBJECT = 0x7b;
export const CLOSE_OBJECT = 0x7d;

/** A value that begins at `at`; `depth` levels are open around it. */
export function walkValue(bytes: Buffer, at: number, end: number, depth: number): number {
  const byte = bytes[at];
  if (byte === QUOTE) return walkString(bytes, at, end);
  if (byte === OPEN_OBJECT) return walkObject(bytes, at, end, depth + 1);
  if (byte === OPEN_ARRAY) return walkArray(bytes, at, end, depth + 1);
  return walkWord(bytes, at);
}

function walkObject(bytes: Buffer, from: number, end: number, depth: number): number {
  if (depth > MAX_DEPTH) return FAULT;
  let at = walkSpace(bytes, from + 1);
  if (bytes[at] === CLOSE_OBJECT) return at + 1;
  for (;;) {
    const nameEnd = walkString(bytes, at, end);
    const start = nameEnd === FAULT ? FAULT : walkColon(bytes, nameEnd);
    const valueEnd = start === FAULT ? FAULT : walkValue(bytes, start, end, depth);
    if (valueEnd === FAULT) return FAULT;
    at = walkSpace(bytes, valueEnd);
    if (bytes[at] !== COMMA) return bytes[at] === CLOSE_OBJECT ? at + 1 : FAULT;
    at = walkSpace(bytes, at + 1);
  }
}

function walkArray(bytes: Buffer, from: number, end: number, depth: number): number {
  if (depth > MAX_DEPTH) return FAULT;
  let at = walkSpace(bytes, from + 1);
  if (bytes[at] === CLOSE_ARRAY) return at + 1;
  for (;;) {
    const valueEnd = walkValue(bytes, at, end, depth);
    if (valueEnd === FAULT) return FAULT;
    at = walkSpace(bytes, valueEnd);
    if (bytes[at] !== COMMA) return bytes[at] === CLOSE_ARRAY ? at + 1 : FAULT;
    at = walkSpace(bytes, at + 1);
  }
}

/** The colon behind a name, with the spaces around it. */
export function walkColon(bytes: Buffer, from: number): number {
  const at = walkSpace(bytes, from);
  return bytes[at] === COLON ? walkSpace(bytes, at + 1) : FAULT;
}

export function walkSpace(bytes: Buffer, from: number): number {
  let at = from;
  while (isSpace(bytes[at] ?? NONE)) at++;
  return at;
}

export function walkString(bytes: Buffer, from: number, end: number): number {
  if (bytes[from] !== QUOTE) return FAULT;
  let at = skipPlain(bytes, from + 1, end);
  while (bytes[at] === BACKSLASH) {
    const behind = skipEscapes(bytes, at, end);
    if (behind === at) return FAULT;
    at = skipPlain(bytes, behind, end);
  }
  return at < end && bytes[at] === QUOTE ? at + 1 : FAULT;
}

function walkWord(bytes: Buffer, at: number): number {
  const isTrue = bytes[at] === LETTER_T && bytes[at + 1] === LETTER_R && bytes[at + 2] === LETTER_U;
  if (isTrue && bytes[at + 3] === LETTER_E) return at + 4;
  const isFalse = bytes[at] === LETTER_F && bytes[at + 1] === LETTER_A && bytes[at + 2] === LETTER_L;
  if (isFalse && bytes[at + 3] === LETTER_S && bytes[at + 4] === LETTER_E) return at + 5;
  const isNull = bytes[at] === LETTER_N && bytes[at + 1] === LETTER_U && bytes[at + 2] === LETTER_L;
  return isNull && bytes[at + 3] === LETTER_L ? at + 4 : walkNumber(bytes, at);
}

export function walkNumber(bytes: Buffer, from: number): number {
  let at = bytes[from] === MINUS ? from + 1 : from;
  // Nothing may follow a leading zero.
  at = bytes[at] === ZERO ? at + 1 : walkDigits(bytes, at);
  if (at !== FAULT && bytes[at] === POINT) at = walkDigits(bytes, at + 1);
  if (at === FAULT || ((bytes[at] ?? NONE) | 0x20) !== LETTER_E) return at;
  const sign = bytes[at + 1];
  return walkDigits(bytes, sign === PLUS || sign === MINUS ? at + 2 : at + 1);
}

/** One at least. */
function walkDigits(bytes: Buffer, from: number): number {
  let at = from;
  while (isDigit(bytes[at] ?? NONE)) at++;
  return at === from ? FAULT : at;
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
}
