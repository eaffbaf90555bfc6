/** Reads JSON as it comes, byte by byte and without building anything: is it JSON, is its shape harmless, and where do its outermost members stand. */
import type { Span } from './json-text.ts';
import { ESCAPABLE, HEX, isSpace, LETTER_U, skipEscapes, skipPlain, skipSpace } from './plain-bytes.ts';

/** What JSON may be beyond being JSON. */
export interface JsonLimits {
  /** Levels of objects and arrays inside each other. */
  readonly depth: number;
  /** Values of every kind, in the whole text. */
  readonly values: number;
  /** Characters of one number. */
  readonly digits: number;
}

/** `syntax`: it is not JSON. Everything else: it is, and yet nobody should have to read it. */
export type JsonFault = 'syntax' | 'depth' | 'values' | 'digits' | 'duplicate' | 'key';

export class JsonScanError extends Error {
  override readonly name = 'JsonScanError';
  readonly fault: JsonFault;
  /** Bytes from the beginning of the text. */
  readonly offset: number;

  constructor(fault: JsonFault, message: string, offset: number) {
    super(message);
    this.fault = fault;
    this.offset = offset;
  }
}

/** Names of members are looked at on two levels only; nobody gives them such names. */
const MAX_KEY_BYTES = 4_096;
const MAX_MEMBERS = 1_000;
/** Levels that can be followed at all. */
const MAX_DEPTH = 100_000;

const QUOTE = 0x22;
const PLUS = 0x2b;
const COMMA = 0x2c;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const OPEN_ARRAY = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** What may come next. */
const VALUE = 0;
const VALUE_OR_END = 1;
const KEY = 2;
const KEY_OR_END = 3;
const NAME_SEPARATOR = 4;
const NEXT_OR_END = 5;
const NOTHING = 6;
const IN_STRING = 7;
const AFTER_BACKSLASH = 8;
const IN_UNICODE = 9;
const IN_WORD = 10;
/** Inside a number: after what. */
const AFTER_MINUS = 11;
const AFTER_ZERO = 12;
const IN_INTEGER = 13;
const AFTER_POINT = 14;
const IN_FRACTION = 15;
const AFTER_E = 16;
const AFTER_SIGN = 17;
const IN_EXPONENT = 18;

const NULL = Buffer.from('null');
const TRUE = Buffer.from('true');
const FALSE = Buffer.from('false');

const NO_MEMBERS: ReadonlyMap<string, Span> = new Map();

export class JsonScanner {
  /** Where the values of the outermost members stand, in bytes, as soon as each has ended. */
  readonly members = new Map<string, Span>();
  /** The same for the members of the object that stands under one of the names `inside`; of the last of them. */
  inner: ReadonlyMap<string, Span> = NO_MEMBERS;
  /** The name under which it stands; undefined when there is none. */
  innerOf: string | undefined;
  readonly #limits: JsonLimits;
  readonly #inside: readonly string[];
  #innerMembers = new Map<string, Span>();
  #isInside = false;
  /** 1 for each level that is an object. */
  #levels = new Uint8Array(64);
  #depth = 0;
  #state = VALUE;
  #values = 0;
  /** Bytes before the present piece. */
  #before = 0;
  /** The string is the name of a member. */
  #isKey = false;
  /** Of the name that is being read on a level that is looked at: its first byte in the piece, or -1. */
  #keyStart = -1;
  #keyHeld: Buffer | undefined;
  #word = NULL;
  /** Bytes of the word, hexadecimal digits, or characters of the number so far. */
  #count = 0;
  #outerKey: string | undefined;
  #outerStart = 0;
  #innerKey: string | undefined;
  #innerStart = 0;

  constructor(limits: JsonLimits, inside: readonly string[] = []) {
    this.#limits = limits;
    this.#inside = inside;
  }

  /** The outermost member whose value is being read, and where that begins; undefined between members. */
  get current(): { readonly key: string; readonly start: number } | undefined {
    const key = this.#outerKey;
    return key === undefined || this.#state === NAME_SEPARATOR || (this.#depth === 1 && this.#state === VALUE)
      ? undefined
      : { key, start: this.#outerStart };
  }

  /** The member inside of it whose value is being read, where these are known. */
  get currentInner(): string | undefined {
    return this.#innerKey;
  }

  /** True when the text is complete. */
  get complete(): boolean {
    return this.#state === NOTHING;
  }

  /** Throws a JsonScanError when what has come is not all of it. */
  end(): void {
    if (this.#depth === 0 && isWholeNumber(this.#state)) this.#state = NOTHING;
    if (this.#state !== NOTHING) throw new JsonScanError('syntax', 'it ends too early', this.#before);
  }

  /** Takes the next bytes. Throws a JsonScanError; the scanner is of no further use then. */
  push(bytes: Buffer): void {
    const end = bytes.length;
    let at = 0;
    if (this.#keyHeld !== undefined) this.#keyStart = 0;
    while (at < end) {
      const byte = bytes[at] ?? 0;
      switch (this.#state) {
        case IN_STRING:
          at = skipPlain(bytes, at, end);
          if (at < end) at = this.#inString(bytes, at);
          break;
        case NEXT_OR_END:
          if (byte === COMMA) {
            this.#state = this.#levels[this.#depth] === 1 ? KEY : VALUE;
            this.#oneMore(at);
          } else if (byte === (this.#levels[this.#depth] === 1 ? CLOSE_OBJECT : CLOSE_ARRAY)) this.#close(at + 1);
          else if (!isSpace(byte)) this.#fail(at);
          else at = skipSpace(bytes, at, end) - 1;
          at++;
          break;
        case NAME_SEPARATOR:
          if (byte === COLON) this.#state = VALUE;
          else if (!isSpace(byte)) this.#fail(at);
          else at = skipSpace(bytes, at, end) - 1;
          at++;
          break;
        case KEY_OR_END:
        case KEY:
          if (byte === QUOTE) {
            this.#state = IN_STRING;
            this.#isKey = true;
            if (this.#depth <= 2 && (this.#depth === 1 || this.#isInside)) this.#keyStart = at;
          } else if (byte === CLOSE_OBJECT && this.#state === KEY_OR_END) this.#close(at + 1);
          else if (!isSpace(byte)) this.#fail(at);
          else at = skipSpace(bytes, at, end) - 1;
          at++;
          break;
        case VALUE_OR_END:
        case VALUE:
          if (isSpace(byte)) at = skipSpace(bytes, at + 1, end);
          else this.#value(byte, at++);
          break;
        case NOTHING:
          if (!isSpace(byte)) this.#fail(at);
          at = skipSpace(bytes, at + 1, end);
          break;
        case AFTER_BACKSLASH:
          if (byte === LETTER_U) {
            this.#state = IN_UNICODE;
            this.#count = 0;
          } else if (ESCAPABLE[byte] === 1) this.#state = IN_STRING;
          else this.#fail(at);
          at++;
          break;
        case IN_UNICODE:
          if (HEX[byte] !== 1) this.#fail(at);
          if (++this.#count === 4) this.#state = IN_STRING;
          at++;
          break;
        case IN_WORD:
          if (byte !== this.#word[this.#count]) this.#fail(at);
          at++;
          if (++this.#count === this.#word.length) this.#ended(at);
          break;
        default:
          at = this.#number(bytes, at, end);
      }
    }
    if (this.#keyStart !== -1) this.#holdKey(bytes.subarray(this.#keyStart), end);
    this.#before += end;
  }

  #value(byte: number, at: number): void {
    const depth = this.#depth;
    if (byte === CLOSE_ARRAY && this.#state === VALUE_OR_END) return this.#close(at + 1);
    if (depth === 1) this.#outerStart = this.#before + at;
    else if (depth === 2) this.#innerStart = this.#before + at;
    if (byte === QUOTE) {
      this.#state = IN_STRING;
      this.#isKey = false;
    } else if (byte === OPEN_OBJECT) this.#open(1, at);
    else if (byte === OPEN_ARRAY) this.#open(0, at);
    else {
      this.#count = 1;
      if (byte === ZERO) this.#state = AFTER_ZERO;
      else if (byte > ZERO && byte <= NINE) this.#state = IN_INTEGER;
      else if (byte === MINUS) this.#state = AFTER_MINUS;
      else {
        this.#state = IN_WORD;
        if (byte === NULL[0]) this.#word = NULL;
        else if (byte === TRUE[0]) this.#word = TRUE;
        else if (byte === FALSE[0]) this.#word = FALSE;
        else this.#fail(at);
      }
    }
  }

  #open(isObject: 0 | 1, at: number): void {
    const depth = ++this.#depth;
    if (depth > this.#limits.depth || depth > MAX_DEPTH)
      throw new JsonScanError(
        'depth',
        `it is nested more than ${Math.min(this.#limits.depth, MAX_DEPTH)} levels deep`,
        this.#before + at,
      );
    if (depth >= this.#levels.length) {
      const larger = new Uint8Array(this.#levels.length * 2);
      larger.set(this.#levels);
      this.#levels = larger;
    }
    this.#levels[depth] = isObject;
    if (depth === 2 && isObject === 1 && this.#isInside) {
      this.#innerMembers = new Map();
      this.inner = this.#innerMembers;
      this.innerOf = this.#outerKey;
    }
    this.#state = isObject === 1 ? KEY_OR_END : VALUE_OR_END;
    this.#oneMore(at);
  }

  #close(at: number): void {
    this.#depth--;
    this.#ended(at);
  }

  /** A value has ended before `at`. */
  #ended(at: number): void {
    const depth = this.#depth;
    if (depth === 0) {
      this.#state = NOTHING;
      return;
    }
    this.#state = NEXT_OR_END;
    if (depth > 2 || this.#levels[1] === 0) return;
    const end = this.#before + at;
    if (depth === 1) {
      if (this.#outerKey !== undefined) this.members.set(this.#outerKey, { start: this.#outerStart, end });
      this.#outerKey = undefined;
    } else if (this.#innerKey !== undefined && this.#levels[2] === 1) {
      this.#innerMembers.set(this.#innerKey, { start: this.#innerStart, end });
      this.#innerKey = undefined;
    }
  }

  /** At a byte inside a string that does not stand for itself. */
  #inString(bytes: Buffer, at: number): number {
    const byte = bytes[at];
    if (byte === QUOTE) {
      if (!this.#isKey) this.#ended(at + 1);
      else {
        this.#state = NAME_SEPARATOR;
        if (this.#keyStart !== -1) this.#named(bytes, at + 1);
      }
    } else if (byte === BACKSLASH) {
      const after = skipEscapes(bytes, at, bytes.length);
      if (after > at) return after;
      this.#state = AFTER_BACKSLASH;
    } else this.#fail(at);
    return at + 1;
  }

  #named(bytes: Buffer, end: number): void {
    const part = bytes.subarray(this.#keyStart, end);
    this.#keyStart = -1;
    const token = this.#keyHeld === undefined ? part : Buffer.concat([this.#keyHeld, part]);
    this.#keyHeld = undefined;
    this.#checkKey(token.length, end);
    const raw = token.toString('utf8');
    const key = raw.includes('\\') ? (JSON.parse(raw) as string) : raw.slice(1, -1);
    const members = this.#depth === 1 ? this.members : this.#innerMembers;
    if (members.has(key) || members.size >= MAX_MEMBERS)
      throw new JsonScanError(
        'duplicate',
        members.size >= MAX_MEMBERS
          ? `it has more than ${MAX_MEMBERS} members on one of its outer levels`
          : `The member "${key}" stands twice in one object.`,
        this.#before + end,
      );
    if (this.#depth === 1) {
      this.#outerKey = key;
      this.#isInside = this.#inside.includes(key);
    } else this.#innerKey = key;
  }

  #holdKey(part: Buffer, at: number): void {
    const held = this.#keyHeld;
    this.#checkKey((held?.length ?? 0) + part.length, at);
    this.#keyHeld = held === undefined ? Buffer.from(part) : Buffer.concat([held, part]);
    this.#keyStart = -1;
  }

  #checkKey(bytes: number, at: number): void {
    if (bytes > MAX_KEY_BYTES)
      throw new JsonScanError('key', `the name of a member is longer than ${MAX_KEY_BYTES} bytes`, this.#before + at);
  }

  /** One more value. */
  #oneMore(at: number): void {
    if (++this.#values > this.#limits.values)
      throw new JsonScanError('values', `it holds more than ${this.#limits.values} values`, this.#before + at);
  }

  #number(bytes: Buffer, from: number, end: number): number {
    let state = this.#state;
    let at = from;
    for (; at < end; at++) {
      const byte = bytes[at] ?? 0;
      const isDigit = byte >= ZERO && byte <= NINE;
      if (isDigit && (state === IN_INTEGER || state === IN_FRACTION || state === IN_EXPONENT)) continue;
      const next = isDigit ? afterDigit(state, byte) : afterSign(state, byte);
      if (next === undefined) break;
      state = next;
    }
    this.#state = state;
    this.#count += at - from;
    if (this.#count > this.#limits.digits)
      throw new JsonScanError(
        'digits',
        `it holds a number of more than ${this.#limits.digits} characters`,
        this.#before + at,
      );
    if (at === end) return at;
    if (!isWholeNumber(state)) this.#fail(at);
    this.#ended(at);
    return at;
  }

  #fail(at: number): never {
    throw new JsonScanError('syntax', 'it is not valid JSON', this.#before + at);
  }
}

function afterDigit(state: number, byte: number): number | undefined {
  if (state === AFTER_MINUS) return byte === ZERO ? AFTER_ZERO : IN_INTEGER;
  if (state === AFTER_POINT) return IN_FRACTION;
  return state === AFTER_E || state === AFTER_SIGN ? IN_EXPONENT : undefined;
}

function afterSign(state: number, byte: number): number | undefined {
  if (byte === POINT) return state === IN_INTEGER || state === AFTER_ZERO ? AFTER_POINT : undefined;
  // Both cases of the letter.
  if ((byte | 0x20) === 0x65)
    return state === IN_INTEGER || state === AFTER_ZERO || state === IN_FRACTION ? AFTER_E : undefined;
  return (byte === PLUS || byte === MINUS) && state === AFTER_E ? AFTER_SIGN : undefined;
}

function isWholeNumber(state: number): boolean {
  return state === AFTER_ZERO || state === IN_INTEGER || state === IN_FRACTION || state === IN_EXPONENT;
}
