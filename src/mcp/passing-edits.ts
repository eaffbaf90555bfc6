/** Changes values at known places of JSON while it passes, and holds back no more than what is not decided yet. */
import { Pieces } from '../shared/pieces.ts';
import { JsonScanError } from './json-scanner.ts';
import { skipPlain } from './plain-bytes.ts';

/** What is looked at, from the outermost value inwards. Everything else passes. */
export interface Place {
  /** Of an object, the members that are looked at. */
  readonly members?: ReadonlyMap<string, Place>;
  /** Of an object, the member whose text is told to the edits in it, and in what it holds. */
  readonly kind?: string;
  /** Of an array, each of its elements. */
  readonly each?: Place;
  readonly edit?: Edit;
  /** The edit does not ask for the kind. */
  readonly always?: true;
  /** Of a member: it is taken out, and its edit only sees it. Its object must say so with `drops`. */
  readonly drop?: true;
  /** Of an object: some of its members are taken out. */
  readonly drops?: true;
  /** Of an object: the JSON text of members that are added at its end, without a brace; empty = none. `seen`: those of `members` that it has. */
  readonly atEnd?: (seen: readonly string[]) => string;
}

/** Gives the JSON text that takes the place of this one. `kind` is undefined when there is none, or it is no string. */
export type Edit = (raw: string, kind: string | undefined) => string;

/** An object or array that is looked at. */
interface Frame {
  readonly place: Place;
  readonly isObject: boolean;
  /** The names that are looked at and have come. */
  readonly seen: string[];
  /** Of an object: no member of it has gone on. */
  isEmpty: boolean;
  kind: string | undefined;
  hasKind: boolean;
}

/** A value of which it is not known yet what becomes of it. */
interface Undecided {
  readonly raw: string;
  readonly edit: Edit;
  /** Whose kind decides. */
  readonly frame: Frame;
  /** What stands between it and the next one. */
  readonly after: Pieces;
}

/** Longer names and kinds are none of those that are looked for, however they are escaped. */
const MAX_TOKEN_BYTES = 256;
/** Of a value that is taken out, and looked at before. */
const MAX_LOOKED_AT_BYTES = 64 * 1024;
/** More pieces are put together: each costs its way to the client. */
const MAX_PIECES = 8;
const NONE = Buffer.alloc(0);
const SEPARATOR = Buffer.from(',');

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_ARRAY = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const SPACE = 0x20;

/** What may come next in the innermost frame. */
const KEY = 0;
const IN_KEY = 1;
const COLON_OR_VALUE = 2;
const ELEMENT = 3;
const IN_VALUE = 4;

/** For one JSON text, in pieces cut anywhere. It must be valid: whoever gives it has scanned it. */
export class PassingEdits {
  readonly #frames: Frame[];
  #mode = ELEMENT;
  /** Levels inside a value that nobody looks at. */
  #depth = 0;
  #inString = false;
  #escaped = false;
  /** The name or kind that is being read: its first byte in the piece, or -1, and what came before. */
  #tokenStart = -1;
  #tokenHeld = NONE;
  /** The place of the value that comes next; undefined = nobody looks. */
  #place: Place | undefined;
  #isKind = false;
  /** The value that is being read whole; undefined when none is. */
  #captured: Pieces | undefined;
  /** Bytes that were captured of a value that is taken out. */
  #dropped = 0;
  /** Bytes of the piece from here on have not been passed on. */
  #from = 0;
  #out: Buffer[] = [];
  /**
   * In the order of the text. A few at most: a frame has one for each name that is looked at in it. What is decided is
   * never among them, because each decision looks at all of them, and a text of megabytes may bring millions.
   */
  #undecided: Undecided[] = [];
  #before = 0;

  constructor(root: Place) {
    this.#frames = [frameOf({ each: root }, false)];
  }

  /** The next bytes: gives what may go on. Throws a JsonScanError when a name that is looked at stands twice in one object. */
  push(bytes: Buffer): readonly Buffer[] {
    const end = bytes.length;
    this.#out = [];
    this.#from = 0;
    if (this.#mode === IN_KEY || (this.#mode === IN_VALUE && this.#isKind)) this.#tokenStart = 0;
    let at = 0;
    while (at < end) {
      if (this.#inString) at = this.#string(bytes, at, end);
      else if (this.#depth > 0) at = this.#nested(bytes, at, end);
      else at = this.#step(bytes, at);
    }
    if (this.#tokenStart !== -1 && this.#tokenHeld.length <= MAX_TOKEN_BYTES)
      this.#tokenHeld = Buffer.concat([this.#tokenHeld, bytes.subarray(this.#tokenStart)]);
    this.#tokenStart = -1;
    if (this.#captured === undefined) this.#pass(bytes, end);
    else this.#keep(this.#captured, bytes.subarray(this.#from));
    this.#before += end;
    return this.#out.length > MAX_PIECES ? [Buffer.concat(this.#out)] : this.#out;
  }

  /** Of what is taken out, no more than somebody looks at. */
  #keep(captured: Pieces, part: Buffer): void {
    const { drop, edit } = this.#mode === IN_KEY ? {} : (this.#place ?? {});
    if (drop !== true) return captured.add(part);
    if (edit === undefined) return;
    this.#dropped += part.length;
    if (this.#dropped > MAX_LOOKED_AT_BYTES)
      throw new JsonScanError('syntax', 'a member that is looked at is too long', this.#before);
    captured.add(part);
  }

  #string(bytes: Buffer, from: number, end: number): number {
    if (this.#escaped) {
      this.#escaped = false;
      return from + 1;
    }
    const at = skipPlain(bytes, from, end);
    if (at === end) return end;
    if (bytes[at] === BACKSLASH) this.#escaped = true;
    else if (bytes[at] === QUOTE) {
      this.#inString = false;
      if (this.#depth === 0) {
        if (this.#mode === IN_KEY) this.#named(bytes, at + 1);
        else this.#ended(bytes, at + 1);
      }
    }
    return at + 1;
  }

  /** Inside what nobody looks at: only where it ends counts. */
  #nested(bytes: Buffer, from: number, end: number): number {
    for (let at = from; at < end; at++) {
      const byte = bytes[at];
      if (byte === QUOTE) {
        this.#inString = true;
        return at + 1;
      }
      if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) this.#depth++;
      else if ((byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) && --this.#depth === 0) {
        this.#ended(bytes, at + 1);
        return at + 1;
      }
    }
    return end;
  }

  #step(bytes: Buffer, at: number): number {
    const byte = bytes[at] ?? 0;
    const isBetween = byte <= SPACE || byte === COMMA;
    switch (this.#mode) {
      case KEY:
        if (byte === QUOTE) {
          this.#mode = IN_KEY;
          this.#inString = true;
          this.#tokenStart = at;
          if (this.#top.place.drops === true) this.#capture(bytes, at);
          else this.#top.isEmpty = false;
        } else if (byte === COMMA && this.#top.place.drops === true) {
          // It comes back before the next member that goes on.
          this.#pass(bytes, at);
          this.#from = at + 1;
        } else if (byte === CLOSE_OBJECT) {
          this.#addMembers(bytes, at);
          this.#close();
        }
        break;
      case COLON_OR_VALUE:
        if (byte !== COLON && !isBetween) this.#begin(bytes, at);
        break;
      case ELEMENT:
        if (byte === CLOSE_ARRAY) this.#close();
        else if (!isBetween) {
          this.#place = this.#top.place.each;
          this.#isKind = false;
          this.#begin(bytes, at);
        }
        break;
      default:
        // A number or a word ends before what cannot belong to it.
        if (!isBetween && byte !== CLOSE_OBJECT && byte !== CLOSE_ARRAY) break;
        this.#ended(bytes, at);
        return at;
    }
    return at + 1;
  }

  get #top(): Frame {
    const top = this.#frames.at(-1);
    if (top === undefined) throw new Error('the outermost frame is never closed');
    return top;
  }

  #named(bytes: Buffer, end: number): void {
    const name = this.#token(bytes, end);
    const { place, seen } = this.#top;
    this.#mode = COLON_OR_VALUE;
    this.#place = name === undefined ? undefined : place.members?.get(name);
    this.#isKind = name !== undefined && name === place.kind;
    if (place.drops === true) this.#keepOrDrop(end);
    if (name === undefined || (this.#place === undefined && !this.#isKind)) return;
    if (seen.includes(name))
      throw new JsonScanError('duplicate', `The member "${name}" stands twice in one object.`, this.#before + end);
    seen.push(name);
  }

  /** The name of a member was captured up to `end`: it goes on, or nothing of the member does. */
  #keepOrDrop(end: number): void {
    const top = this.#top;
    const name = this.#captured?.all ?? [];
    if (this.#place?.drop === true) {
      this.#captured = new Pieces();
      this.#dropped = 0;
      this.#from = end;
      return;
    }
    this.#captured = undefined;
    if (!top.isEmpty) this.#give(SEPARATOR);
    top.isEmpty = false;
    for (const piece of name) this.#give(piece);
  }

  /** What stands from `at` on is held back. */
  #capture(bytes: Buffer, at: number): void {
    this.#pass(bytes, at);
    this.#captured = new Pieces();
  }

  /** The string that ends before `end`; undefined when it is no string, or longer than any that is looked for. */
  #token(bytes: Buffer, end: number): string | undefined {
    const part = bytes.subarray(this.#tokenStart, end);
    const token = this.#tokenHeld.length === 0 ? part : Buffer.concat([this.#tokenHeld, part]);
    this.#tokenHeld = NONE;
    this.#tokenStart = -1;
    if (token.length > MAX_TOKEN_BYTES || token[0] !== QUOTE) return undefined;
    const raw = token.toString('utf8');
    return raw.includes('\\') ? (JSON.parse(raw) as string) : raw.slice(1, -1);
  }

  #begin(bytes: Buffer, at: number): void {
    const byte = bytes[at];
    const place = this.#place;
    const isObject = byte === OPEN_OBJECT;
    this.#mode = IN_VALUE;
    if (this.#isKind) this.#tokenStart = at;
    else if (place?.edit !== undefined && place.drop === undefined) this.#capture(bytes, at);
    if (byte === QUOTE) this.#inString = true;
    else if (isObject || byte === OPEN_ARRAY) {
      const isLookedAt = (isObject ? (place?.members ?? place?.kind ?? place?.atEnd) : place?.each) !== undefined;
      if (this.#isKind || place === undefined || !isLookedAt || this.#captured !== undefined) this.#depth = 1;
      else {
        this.#frames.push(frameOf(place, isObject));
        this.#mode = isObject ? KEY : ELEMENT;
      }
    }
  }

  /** A value has ended before `at`. */
  #ended(bytes: Buffer, at: number): void {
    const top = this.#top;
    this.#mode = top.isObject ? KEY : ELEMENT;
    if (this.#isKind) {
      this.#isKind = false;
      return this.#decide(top, this.#token(bytes, at));
    }
    const captured = this.#captured;
    if (captured === undefined) return;
    this.#captured = undefined;
    const { edit, always, drop } = this.#place ?? {};
    const rest = bytes.subarray(this.#from, at);
    this.#from = at;
    if (drop === true && edit === undefined) return;
    const value = Buffer.concat([...captured.all, rest]);
    const raw = value.toString('utf8');
    // With the colon in front of it.
    if (drop === true) return void edit?.(raw.slice(raw.indexOf(':') + 1).trim(), undefined);
    if (edit === undefined) return this.#give(value);
    const frame = always === true ? undefined : this.#frames.findLast(({ place }) => place.kind !== undefined);
    if (frame !== undefined && !frame.hasKind) this.#undecided.push({ raw, edit, frame, after: new Pieces() });
    else this.#give(Buffer.from(edit(raw, frame?.kind)));
  }

  /** Before the end of the object, which stands at `at`. */
  #addMembers(bytes: Buffer, at: number): void {
    const { place, seen, isEmpty } = this.#top;
    const added = place.atEnd?.(seen) ?? '';
    if (added === '') return;
    this.#pass(bytes, at);
    this.#give(Buffer.from(isEmpty ? added : `,${added}`));
  }

  #close(): void {
    const frame = this.#frames.pop();
    if (frame !== undefined && !frame.hasKind) this.#decide(frame, undefined);
    this.#mode = this.#top.isObject ? KEY : ELEMENT;
  }

  /** What waits for the kind of this frame can be changed now, and what waits for nothing any more goes on. */
  #decide(frame: Frame, kind: string | undefined): void {
    frame.kind = kind;
    frame.hasKind = true;
    const undecided = this.#undecided;
    if (undecided.length === 0) return;
    this.#undecided = [];
    for (const each of undecided) {
      if (each.frame !== frame) {
        this.#undecided.push(each);
        continue;
      }
      this.#give(Buffer.from(each.edit(each.raw, kind)));
      for (const piece of each.after.all) this.#give(piece);
    }
  }

  /** Passes on what stands before `to` in the piece. */
  #pass(bytes: Buffer, to: number): void {
    const from = this.#from;
    this.#from = to;
    if (from < to) this.#give(from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to));
  }

  #give(bytes: Buffer): void {
    const before = this.#undecided.at(-1);
    if (before === undefined) this.#out.push(bytes);
    else before.after.add(bytes);
  }
}

function frameOf(place: Place, isObject: boolean): Frame {
  return { place, isObject, seen: [], isEmpty: true, kind: undefined, hasKind: place.kind === undefined };
}
