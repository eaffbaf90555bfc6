/** Reads a small message in one pass over its text, as far as a gateway must know it: the rest is parsed only where somebody looks. */
import { scanObject, sliceSpan, type Span } from './json-text.ts';
import type { Json, JsonObject, Message, MessageKind } from './message.ts';
import {
  BACKSLASH,
  CLOSE_OBJECT,
  COMMA,
  FAULT,
  NONE,
  OPEN_OBJECT,
  QUOTE,
  walkColon,
  walkNumber,
  walkSpace,
  walkString,
  walkValue,
} from './strict-json.ts';

/** In longer ones the runtime's parser is as quick. UTF-16 units. */
const MAX_LENGTH = 4_096;
/** The text that is being read, as bytes, which are several times as quick to walk over. Nobody waits in the middle of a reading, so that all share it. */
const bytes = Buffer.allocUnsafeSlow(3 * MAX_LENGTH + 1);
const ENCODER = new TextEncoder();
/** Members of params whose names are compared with one another. */
const MAX_PARAMS = 8;
/** Where the name of each begins. */
const nameStarts = new Int32Array(MAX_PARAMS);

const UNDERSCORE = 0x5f;
const LETTER_A = 0x61;
const LETTER_Z = 0x7a;
const LETTER_I = 0x69;
const LETTER_J = 0x6a;
const LETTER_M = 0x6d;
const LETTER_P = 0x70;
const LETTER_R = 0x72;
const NO_MEMBERS: ReadonlyMap<string, Span> = new Map();

/** Of nearly all messages. */
const BEGINNING = Buffer.from('{"jsonrpc":"2.0",');
const VERSION = Buffer.from('"2.0"');
const META = Buffer.from('"_meta"');
const NAME = Buffer.from('"name"');

/** A text, and how it stands in a message. */
class Known {
  readonly text: string;
  readonly quoted: Buffer;

  constructor(text: string) {
    this.text = text;
    this.quoted = Buffer.from(`"${text}"`);
  }
}

const JSONRPC = new Known('jsonrpc');
const ID = new Known('id');
const METHOD = new Known('method');
const PARAMS = new Known('params');
const RESULT = new Known('result');
const ERROR = new Known('error');
/** Most messages have one of these. They become no new text each time. */
const USUAL_METHODS = ['tools/call', 'notifications/progress', 'notifications/message'].map((name) => new Known(name));

/**
 * The message, if it is valid JSON-RPC in the form in which nearly everybody writes it; undefined leaves it to a parser, which
 * says what is wrong with it or finds nothing. What makes two parsers see two messages is left to it in any case: members
 * that stand twice, names with escapes, many params. So is all that is not ASCII, whose places in the text and in bytes differ.
 */
export function readSmall(text: string): Message | undefined {
  const { length } = text;
  if (length > MAX_LENGTH || ENCODER.encodeInto(text, bytes).written !== length) return undefined;
  bytes[length] = NONE;
  const message = new SmallMessage(text);
  return message.read() ? message : undefined;
}

class SmallMessage implements Message {
  readonly text: string;
  kind: MessageKind = 'response';
  id: string | undefined;
  method: string | undefined;
  failed = false;
  /** No two names of members can be spellings of one. */
  isPlain = true;
  #id: Span | undefined;
  #params: Span | undefined;
  #result: Span | undefined;
  #meta: Span | undefined;
  #name: Span | undefined;
  #value: JsonObject | undefined;
  #nameValue: Json | undefined;

  constructor(text: string) {
    this.text = text;
  }

  get value(): JsonObject {
    return (this.#value ??= JSON.parse(this.text) as JsonObject);
  }
  get members(): ReadonlyMap<string, Span> {
    return scanObject(this.text);
  }
  get params(): ReadonlyMap<string, Span> {
    return this.#params === undefined ? NO_MEMBERS : scanObject(this.text, this.#params.start);
  }

  member(name: string): Span | undefined {
    if (name === 'id') return this.#id;
    if (name === 'params') return this.#params;
    if (name === 'result') return this.#result;
    return this.members.get(name);
  }

  param(name: string): Span | undefined {
    if (name === '_meta') return this.#meta;
    if (name === 'name') return this.#name;
    return this.params.get(name);
  }

  parameter(name: string): Json | undefined {
    if (name === 'name') return (this.#nameValue ??= this.#name && plainString(sliceSpan(this.text, this.#name)));
    if (name === '_meta') return this.#meta && metaOf(sliceSpan(this.text, this.#meta));
    const span = this.param(name);
    return span && (JSON.parse(sliceSpan(this.text, span)) as Json);
  }

  /** False when it must be left to a parser. */
  read(): boolean {
    if (bytes[0] !== OPEN_OBJECT) return false;
    const end = this.text.length;
    let isVersioned = stands(BEGINNING, 0);
    let at = walkSpace(bytes, isVersioned ? BEGINNING.length : 1);
    for (;;) {
      const name = memberAt(at);
      const start = name === undefined ? FAULT : walkColon(bytes, at + name.quoted.length);
      if (start === FAULT) return false;
      let valueEnd = FAULT;
      if (name === JSONRPC) {
        if (isVersioned) return false;
        isVersioned = true;
        valueEnd = stands(VERSION, start) ? start + VERSION.length : FAULT;
      } else if (name === ID) valueEnd = this.#readId(start, end);
      else if (name === METHOD) valueEnd = this.#readMethod(start, end);
      else if (name === PARAMS) valueEnd = this.#readParams(start, end);
      else valueEnd = this.#readOutcome(start, end, name === ERROR);
      if (valueEnd === FAULT) return false;
      at = walkSpace(bytes, valueEnd);
      if (bytes[at] !== COMMA) break;
      at = walkSpace(bytes, at + 1);
    }
    if (bytes[at] !== CLOSE_OBJECT || walkSpace(bytes, at + 1) !== end) return false;
    return isVersioned && this.#classify();
  }

  #classify(): boolean {
    const isAnswer = this.failed || this.#result !== undefined;
    if (this.method === undefined) return isAnswer && this.#params === undefined;
    this.kind = this.id === undefined ? 'notification' : 'request';
    return !isAnswer;
  }

  #readId(start: number, textEnd: number): number {
    if (this.#id !== undefined) return FAULT;
    const end = bytes[start] === QUOTE ? walkString(bytes, start, textEnd) : walkNumber(bytes, start);
    this.id = this.text.slice(start, end);
    this.#id = { start, end };
    return end;
  }

  #readMethod(start: number, textEnd: number): number {
    if (this.method !== undefined) return FAULT;
    const end = walkString(bytes, start, textEnd);
    for (const { text, quoted } of USUAL_METHODS)
      if (quoted.length === end - start && stands(quoted, start)) {
        this.method = text;
        return end;
      }
    this.method = this.text.slice(start + 1, end - 1);
    return this.method.includes('\\') ? FAULT : end;
  }

  #readOutcome(start: number, textEnd: number, failed: boolean): number {
    if (this.failed || this.#result !== undefined) return FAULT;
    const end = walkValue(bytes, start, textEnd, 1);
    this.failed = failed;
    if (!failed) this.#result = { start, end };
    return end;
  }

  #readParams(from: number, textEnd: number): number {
    if (this.#params !== undefined || bytes[from] !== OPEN_OBJECT) return FAULT;
    let at = walkSpace(bytes, from + 1);
    for (let count = 0; bytes[at] !== CLOSE_OBJECT || count > 0; count++) {
      const nameEnd = count === MAX_PARAMS ? FAULT : this.#readName(at, textEnd, count);
      const start = nameEnd === FAULT ? FAULT : walkColon(bytes, nameEnd);
      const end = start === FAULT ? FAULT : walkValue(bytes, start, textEnd, 2);
      if (end === FAULT) return FAULT;
      if (stands(NAME, at)) this.#name = { start, end };
      else if (stands(META, at)) this.#meta = { start, end };
      at = walkSpace(bytes, end);
      if (bytes[at] !== COMMA) break;
      at = walkSpace(bytes, at + 1);
    }
    if (bytes[at] !== CLOSE_OBJECT) return FAULT;
    this.#params = { start: from, end: at + 1 };
    return at + 1;
  }

  /** The name of a member of params, without escapes, which must differ from those before. */
  #readName(at: number, textEnd: number, count: number): number {
    const end = walkString(bytes, at, textEnd);
    for (let index = at + 1; index < end - 1; index++) {
      const byte = bytes[index] ?? NONE;
      if (byte === BACKSLASH) return FAULT;
      if (byte !== UNDERSCORE && (byte < LETTER_A || byte > LETTER_Z)) this.isPlain = false;
    }
    for (let index = 0; index < count; index++) if (isSame(nameStarts[index] ?? 0, at)) return FAULT;
    nameStarts[count] = at;
    return end;
  }
}

/** The last `_meta`: clients repeat theirs with each request. */
let lastMeta: { readonly text: string; readonly value: Json } = { text: '{}', value: {} };

function metaOf(text: string): Json {
  if (text !== lastMeta.text) lastMeta = { text, value: JSON.parse(text) as Json };
  return lastMeta.value;
}

/** The value of a raw JSON text that is likely to be a string without escapes. */
function plainString(text: string): Json {
  const isPlain = text.charCodeAt(0) === QUOTE && !text.includes('\\');
  return isPlain ? text.slice(1, -1) : (JSON.parse(text) as Json);
}

/** The name that begins at a place, if it is one of those that messages have. */
function memberAt(at: number): Known | undefined {
  // By the first letter: each has another.
  const known = memberWith(bytes[at + 1]);
  return known !== undefined && stands(known.quoted, at) ? known : undefined;
}

function memberWith(letter: number | undefined): Known | undefined {
  if (letter === LETTER_I) return ID;
  if (letter === LETTER_R) return RESULT;
  if (letter === LETTER_M) return METHOD;
  if (letter === LETTER_P) return PARAMS;
  return letter === LETTER_J ? JSONRPC : ERROR;
}

function stands(expected: Buffer, at: number): boolean {
  for (let index = 0; index < expected.length; index++) if (bytes[at + index] !== expected[index]) return false;
  return true;
}

/** True when the strings that begin at two places are the same. */
function isSame(one: number, two: number): boolean {
  for (let index = 1; ; index++) {
    const byte = bytes[one + index];
    if (byte !== bytes[two + index]) return false;
    if (byte === QUOTE) return true;
  }
}
