/** Changes the id of one large response while it comes, so that its result can be passed on without anybody holding it. */
import { onlyPart } from '../shared/give-back.ts';
import { JsonScanner, JsonScanError } from './json-scanner.ts';
import type { Span } from './json-text.ts';
import { sameId } from './message.ts';

/** Nobody reads what is passed on: only what would make following it costly is refused. */
const LIMITS = { depth: 10_000, values: Number.POSITIVE_INFINITY, digits: 10_000 };
/** Most bytes of what stands beside the result: everything else is held until the end. */
const MAX_TAIL_BYTES = 64 * 1024;
const NONE = Buffer.alloc(0);

/**
 * A response whose `result` has begun. What comes out is the same response under another id: first `head`, then what
 * `push` gives, then what `end` gives. Nothing may be taken for complete before `end` has returned.
 */
export class LargeResponse {
  /** Raw JSON text of the id that the response must have. */
  readonly #id: string;
  readonly #scanner: JsonScanner;
  /** Members that came before the result, as text with a comma behind each. */
  readonly #front: string;
  readonly #frontKeys: ReadonlySet<string>;
  readonly #held: Buffer;
  readonly #resultStart: number;
  #tail: Buffer[] = [];
  #tailBytes = 0;
  #seen: number;

  private constructor(id: string, scanner: JsonScanner, held: Buffer, resultStart: number) {
    this.#id = id;
    this.#scanner = scanner;
    const front = new Map([...scanner.members].filter(([, { start }]) => start < resultStart));
    this.#frontKeys = new Set(front.keys());
    this.#front = others(front, (span) => held.toString('utf8', span.start, span.end))
      .map((member) => `${member},`)
      .join('');
    this.#seen = held.length;
    this.#held = held;
    this.#resultStart = resultStart;
  }

  /**
   * From its beginning. undefined when it does not show itself to be the response to the request with this id and to
   * have a result, or when it is something else in it that is large: it has to be read whole then, and whoever reads it
   * says what is wrong with it. Otherwise nobody else may use the beginning any more.
   */
  static begin(held: Buffer, id: string): LargeResponse | undefined {
    const scanner = new JsonScanner(LIMITS);
    try {
      scanner.push(held);
    } catch {
      return undefined;
    }
    const { current } = scanner;
    const result = scanner.members.get('result');
    // What follows a result is held: where more of it may come, nobody knows yet how much that is.
    if (result !== undefined && (!scanner.complete || held.length - result.end > MAX_TAIL_BYTES)) return undefined;
    const start = result?.start ?? (current?.key === 'result' ? current.start : undefined);
    if (start === undefined) return undefined;
    const text = (span: Span): string => held.toString('utf8', span.start, span.end);
    return isSound(scanner.members, id, text) ? new LargeResponse(id, scanner, held, start) : undefined;
  }

  /** The response under the id `id` (raw JSON text), as far as it has come. */
  head(id: string): readonly Buffer[] {
    const head = Buffer.from(`{"jsonrpc":"2.0","id":${id},${this.#front}"result":`);
    const held = this.#held;
    const start = this.#resultStart;
    const end = this.#result()?.end ?? held.length;
    if (end < held.length) this.#keep(held.subarray(end));
    if (head.length > start) return [head, onlyPart(held, start, end)];
    // In one piece, where what stood before the result leaves room for it: each piece costs its way to the client.
    head.copy(held, start - head.length);
    return [onlyPart(held, start - head.length, end)];
  }

  /** The next bytes: gives those that belong to the result. Throws a JsonScanError when they cannot. */
  push(bytes: Buffer): Buffer {
    const before = this.#seen;
    this.#seen += bytes.length;
    const ended = this.#result();
    this.#scanner.push(bytes);
    if (ended !== undefined) {
      this.#keep(bytes);
      return NONE;
    }
    const end = this.#result()?.end;
    if (end === undefined) return bytes;
    this.#keep(bytes.subarray(end - before));
    return onlyPart(bytes, 0, end - before);
  }

  /** All has come: gives the end of the response. Throws a JsonScanError when it is not the one that it seemed to be. */
  end(): string {
    this.#scanner.end();
    const start = this.#result()?.end ?? this.#seen;
    const tail = Buffer.concat(this.#tail);
    const text = (span: Span): string => tail.toString('utf8', span.start - start, span.end - start);
    const late = new Map([...this.#scanner.members].filter(([key]) => key !== 'result' && !this.#frontKeys.has(key)));
    if (!this.#frontKeys.has('jsonrpc') && !late.has('jsonrpc')) throw this.#wrong('it is not JSON-RPC 2.0');
    if (!isSound(late, this.#id, text)) throw this.#wrong('it is not the response to the request');
    return `${others(late, text)
      .map((member) => `,${member}`)
      .join('')}}`;
  }

  #result(): Span | undefined {
    return this.#scanner.members.get('result');
  }

  #keep(bytes: Buffer): void {
    this.#tailBytes += bytes.length;
    if (this.#tailBytes > MAX_TAIL_BYTES) throw this.#wrong('too much follows the result');
    // A copy: what comes before it is given back when it has gone to the client.
    this.#tail.push(Buffer.from(bytes));
  }

  #wrong(message: string): JsonScanError {
    return new JsonScanError('syntax', message, this.#seen);
  }
}

/** True when nothing in these members contradicts a successful response to the request. */
function isSound(members: ReadonlyMap<string, Span>, id: string, text: (span: Span) => string): boolean {
  if (members.has('method') || members.has('error')) return false;
  const [version, given] = [members.get('jsonrpc'), members.get('id')];
  if (version !== undefined && text(version) !== '"2.0"') return false;
  // Without an id it belongs to the request on whose way it came.
  return given === undefined || text(given) === 'null' || sameId(text(given), id);
}

/** The members that are passed on as they are, each as text. */
function others(members: ReadonlyMap<string, Span>, text: (span: Span) => string): readonly string[] {
  return [...members]
    .filter(([key]) => key !== 'jsonrpc' && key !== 'id')
    .map(([key, span]) => `${JSON.stringify(key)}:${text(span)}`);
}
