/** Reads a posted message: small ones as text, large ones scanned while they come, within what all of them may hold. */
import { isUtf8 } from 'node:buffer';
import { isObjectText, JsonOutline, outlineScanner } from '../mcp/json-outline.ts';
import { JsonScanError, type JsonScanner } from '../mcp/json-scanner.ts';
import { scanFault } from '../mcp/message.ts';
import { CLIENT_LIMITS, LARGE_TEXT } from '../mcp/shape.ts';
import { GatewayError } from '../shared/errors.ts';
import { inTurns } from '../shared/in-turns.ts';
import { BodyHold, type BodyBudget } from './body-budget.ts';
import { isWhole, type PostRequest } from './post-request.ts';
import { decode, readBytes, wholeBody } from './read-body.ts';

/** Bodies up to this length are scanned at once, in bytes. */
const AT_ONCE = 256 * 1024;

export interface MessageBodyLimits {
  readonly maxBodyBytes: number;
  /** Of all large bodies together. */
  readonly maxHeldBodyBytes: number;
}

/** A body that was scanned. */
export interface LargeBody {
  readonly outline: JsonOutline;
  /** To be given back when the request is over. */
  readonly hold: Disposable;
}

/**
 * The message as text; a large one that is an object as its outline. Throws as `readBody`, and `parse_error`,
 * `invalid_request` and `too_many_bodies`.
 */
export function readMessageBody(
  request: PostRequest,
  limits: MessageBodyLimits,
  budget: BodyBudget,
): string | Promise<string | LargeBody> | LargeBody {
  if (!isWhole(request)) return read(request, limits, budget);
  const bytes = wholeBody(request, limits.maxBodyBytes);
  if (bytes.length <= LARGE_TEXT) return decode(bytes);
  if (bytes.length > AT_ONCE) return scanInTurns(bytes, limits, budget);
  const scan = new Scan(new BodyHold(budget, limits.maxHeldBodyBytes));
  try {
    scan.onLength(bytes.length);
    scan.onPiece(bytes);
    return scan.end(bytes);
  } catch (error) {
    throw scan.refuse(error);
  }
}

/** What has come whole is looked at in pieces, and others get their turn between them. Rejects as `readMessageBody`. */
export async function scanInTurns(
  bytes: Buffer,
  { maxHeldBodyBytes }: Pick<MessageBodyLimits, 'maxHeldBodyBytes'>,
  budget: BodyBudget,
): Promise<string | LargeBody> {
  const scan = new Scan(new BodyHold(budget, maxHeldBodyBytes));
  try {
    scan.onLength(bytes.length);
    await inTurns(bytes, (piece) => scan.onPiece(piece));
    return scan.end(bytes);
  } catch (error) {
    throw scan.refuse(error);
  }
}

async function read(
  request: Exclude<PostRequest, { readonly body: Buffer }>,
  { maxBodyBytes, maxHeldBodyBytes }: MessageBodyLimits,
  budget: BodyBudget,
): Promise<string | LargeBody> {
  const scan = new Scan(new BodyHold(budget, maxHeldBodyBytes));
  try {
    const bytes = await readBytes(request, maxBodyBytes, scan);
    return scan.end(bytes);
  } catch (error) {
    throw scan.refuse(error);
  }
}

/** Looks at the pieces as soon as it is known that there will be many. */
class Scan {
  readonly #hold: BodyHold;
  #early: Buffer[] = [];
  #bytes = 0;
  #scanner: JsonScanner | undefined;

  constructor(hold: BodyHold) {
    this.#hold = hold;
  }

  onLength(bytes: number): void {
    if (bytes > LARGE_TEXT) this.#hold.grow(bytes);
  }

  onPiece(piece: Buffer): void {
    this.#bytes += piece.length;
    if (this.#scanner === undefined) {
      this.#early.push(piece);
      if (this.#bytes <= LARGE_TEXT) return;
      this.#scanner = outlineScanner(CLIENT_LIMITS);
      for (const early of this.#early) this.#scanner.push(early);
      this.#early = [];
    } else this.#scanner.push(piece);
    this.#hold.grow(this.#bytes);
  }

  end(bytes: Buffer): string | LargeBody {
    const scanner = this.#scanner;
    if (scanner === undefined) {
      this.#hold[Symbol.dispose]();
      return decode(bytes);
    }
    scanner.end();
    if (!isUtf8(bytes)) throw new GatewayError('parse_error', 'The body is not valid UTF-8.');
    if (isObjectText(bytes)) return { outline: new JsonOutline(bytes, scanner), hold: this.#hold };
    this.#hold[Symbol.dispose]();
    return bytes.toString('utf8');
  }

  refuse(error: unknown): unknown {
    this.#hold[Symbol.dispose]();
    return error instanceof JsonScanError ? scanFault(error) : error;
  }
}
