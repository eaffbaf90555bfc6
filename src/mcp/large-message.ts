/** Reads a large message that has to be there whole: scanned while it comes, so that nobody has to go through all of it at once. */
import { isUtf8 } from 'node:buffer';
import { AnswerHold, heldAnswers, type AnswerSource } from '../shared/answer-budget.ts';
import type { GatewayError } from '../shared/errors.ts';
import { giveBack } from '../shared/give-back.ts';
import { Pieces } from '../shared/pieces.ts';
import { isObjectText, JsonOutline, outlineScanner } from './json-outline.ts';
import { JsonScanError } from './json-scanner.ts';
import { SERVER_LIMITS } from './shape.ts';

/** Several messages in one array are read as a text, which is no work for more than this. */
const MAX_BATCH_BYTES = 1024 * 1024;

/** Of what cannot be read, for the log. */
const EXCERPT_BYTES = 200;

const NONE = Buffer.alloc(0);

/** Behind a fault, so much of the end of a message is kept: the id may stand there. */
const END_BYTES = 256;

/** An id as the last of the members, or in front of the version. */
const LAST_ID = /,\s*"id"\s*:\s*(\d+)\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*$/;

/** What a server has sent: a small message as text, a large one as what it was scanned as. */
export type Received = string | JsonOutline;

/** It was told to those who wait for it: who holds on to it has taken what it holds. */
export function wasTold(message: Received): void {
  if (typeof message !== 'string') message.held?.[Symbol.dispose]();
}

export class LargeMessageReader {
  readonly #scanner = outlineScanner(SERVER_LIMITS);
  readonly #pieces = new Pieces();
  readonly #hold: AnswerHold | undefined;
  #bytes = 0;

  /** `source` is paused while there is no room for more; without one, nobody counts the bytes. */
  constructor(source?: AnswerSource) {
    this.#hold = source && new AnswerHold(heldAnswers, source);
  }

  /** The bytes may be kept as they are. Throws a JsonScanError for what is not JSON, or of a shape that nobody should have to read. */
  push(bytes: Buffer): void {
    this.#bytes += bytes.length;
    this.#pieces.add(bytes);
    this.#orDrop(() => this.#scanner.push(bytes));
    this.#hold?.grow(bytes.length);
  }

  /** All of it has come: an outline of an object, which holds its bytes (`held`), the text of anything else. Throws as `push`. */
  end(): Received {
    const message = this.#orDrop(() => this.#read());
    if (typeof message === 'string') this.drop();
    else if (this.#hold !== undefined) {
      this.#hold.complete();
      this.#hold.whole = message.bytes;
      message.held = this.#hold;
    }
    return message;
  }

  /** The rest of it will not come. */
  drop(): void {
    this.#hold?.[Symbol.dispose]();
  }

  #read(): Received {
    this.#scanner.end();
    const { all } = this.#pieces;
    const [only] = all;
    const bytes = only !== undefined && all.length === 1 ? only : Buffer.concat(all, this.#bytes);
    if (bytes !== only) all.forEach(giveBack);
    if (!isUtf8(bytes)) throw new JsonScanError('syntax', 'it is not valid UTF-8', 0);
    if (isObjectText(bytes)) return new JsonOutline(bytes, this.#scanner);
    if (this.#bytes > MAX_BATCH_BYTES)
      throw new JsonScanError('values', `it is no single message, and larger than ${MAX_BATCH_BYTES} bytes`, 0);
    return bytes.toString('utf8');
  }

  #orDrop<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      this.drop();
      throw error;
    }
  }

  /** True when nothing that has come shows a request or notification. */
  get mayBeAnswer(): boolean {
    const { members, current } = this.#scanner;
    return !members.has('method') && !members.has('params') && current?.key !== 'params';
  }

  /** The raw JSON text of the id, as far as it has come. */
  get id(): string | undefined {
    const span = this.#scanner.members.get('id');
    return span && Buffer.concat(this.#pieces.all).toString('utf8', span.start, span.end);
  }
}

/** What a wire is that carries the messages of many. */
export interface SharedWire {
  pause(): void;
  resume(): void;
  /** There was no room for what seems to answer this request. */
  refuse(answered: string, error: GatewayError): void;
}

/** One message on a wire that carries those of many: what cannot be read is no reason to give the wire up. */
export class SharedWireReader {
  readonly #deliver: (message: Received, answered: string | undefined) => void;
  readonly #wire: SharedWire | undefined;
  #reader: LargeMessageReader;
  #beginning: string | undefined;
  #failed = false;
  #refusal: GatewayError | undefined;
  #mayBeAnswer = false;
  #id: string | undefined;
  /** Of a message that cannot be read. */
  #end = NONE;

  /** `deliver` is told of what cannot be read as of a text that is no JSON and no batch, and which request it seems to answer. */
  constructor(deliver: (message: Received, answered: string | undefined) => void, wire?: SharedWire) {
    this.#deliver = deliver;
    this.#wire = wire;
    this.#reader = new LargeMessageReader(
      wire && {
        isShared: true,
        pause: () => wire.pause(),
        resume: () => wire.resume(),
        refuse: (error) => {
          this.#refusal = error;
          this.#fail();
        },
      },
    );
  }

  push(bytes: Buffer): void {
    this.#beginning ??= bytes.toString('utf8', 0, EXCERPT_BYTES);
    this.#try(() => this.#reader.push(bytes));
    if (this.#failed) this.#end = Buffer.concat([this.#end, bytes.subarray(-END_BYTES)]).subarray(-END_BYTES);
  }

  end(): void {
    const message = this.#try(() => this.#reader.end());
    if (message !== undefined) {
      this.#deliver(message, undefined);
      return wasTold(message);
    }
    const id = this.#mayBeAnswer ? (this.#id ?? LAST_ID.exec(this.#end.toString('latin1'))?.[1]) : undefined;
    if (this.#refusal !== undefined && id !== undefined) return this.#wire?.refuse(id, this.#refusal);
    // With a word in front: of a batch that breaks off, nobody may believe the first messages.
    this.#deliver(`unreadable: ${this.#beginning ?? ''}…`, id);
  }

  /** It turned out to be no message, or the rest of it will not come. */
  drop(): void {
    this.#reader.drop();
    this.#reader = new LargeMessageReader();
  }

  #try<T>(read: () => T): T | undefined {
    if (this.#failed) return undefined;
    try {
      return read();
    } catch (error) {
      if (!(error instanceof JsonScanError)) throw error;
      this.#fail();
      return undefined;
    }
  }

  #fail(): void {
    this.#failed = true;
    this.#mayBeAnswer = this.#reader.mayBeAnswer;
    this.#id = this.#reader.id;
    // What it holds.
    this.drop();
  }
}
