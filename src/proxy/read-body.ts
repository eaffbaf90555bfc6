/** Reads the body of a request into text, with a limit. */
import type { IncomingMessage } from 'node:http';
import { GatewayError } from '../shared/errors.ts';
import { giveBack } from '../shared/give-back.ts';
import { isWhole, type PostRequest, type WholeRequest } from './post-request.ts';

const DECODER = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false });

/** Stands in a text for bytes that are not UTF-8. */
const REPLACEMENT = '\ufffd';
const BYTE_ORDER_MARK = 0xfeff;
const MAX_PASSED_OVER_BYTES = 64 * 1024 * 1024;
const MAX_PASSED_OVER_MS = 5_000;

/**
 * The body as text. Throws `body_too_large` when the limit is passed (what follows is not kept),
 * `parse_error` for bytes that are not UTF-8, and `unsupported_media_type` for an encoded body.
 */
export function readBody(request: PostRequest, maxBytes: number): string | Promise<string> {
  if (!isWhole(request)) return readStream(request, maxBytes);
  return decode(wholeBody(request, maxBytes));
}

/** The bytes of a body that was read already. Throws `body_too_large`. */
export function wholeBody({ body }: WholeRequest, maxBytes: number): Buffer {
  if (body.length > maxBytes) throw tooLarge(maxBytes);
  return body;
}

async function readStream(request: IncomingMessage, maxBytes: number): Promise<string> {
  return decode(await readBytes(request, maxBytes));
}

/** What is told of a body while it comes. What it throws refuses the body: the rest is not kept. */
export interface BodyWatcher {
  /** Told once, before the first piece, of the length that the head announces. */
  onLength?(bytes: number): void;
  onPiece(piece: Buffer): void;
}

/** The bytes of a body that Node reads. Throws as `readBody`, and what the watcher throws. */
export async function readBytes(request: IncomingMessage, maxBytes: number, watcher?: BodyWatcher): Promise<Buffer> {
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    throw new GatewayError('unsupported_media_type', `The Content-Encoding "${encoding}" is not supported.`);
  }
  const announced = Number(request.headers['content-length'] ?? 0);
  const chunks: Buffer[] = [];
  let size = 0;
  const take = (chunk: Buffer): void => {
    size += chunk.length;
    if (size > maxBytes) throw tooLarge(maxBytes);
    watcher?.onPiece(chunk);
    chunks.push(chunk);
  };
  const refused = await new Promise<Error | undefined>((resolve, reject) => {
    try {
      if (announced > maxBytes) throw tooLarge(maxBytes);
      watcher?.onLength?.(announced);
    } catch (error) {
      return resolve(asError(error));
    }
    request.on('data', (chunk: Buffer) => {
      try {
        take(chunk);
      } catch (error) {
        request.removeAllListeners('data');
        chunks.length = 0;
        resolve(asError(error));
      }
    });
    request.on('end', () => resolve(undefined));
    request.on('error', reject);
    request.on('close', () => {
      if (!request.readableEnded) reject(new GatewayError('cancelled', 'The caller closed the connection.'));
    });
  });
  if (refused !== undefined) {
    await passOver(request);
    throw refused;
  }
  const [first] = chunks;
  if (first !== undefined && chunks.length === 1) return first;
  const body = Buffer.concat(chunks, size);
  chunks.forEach(giveBack);
  return body;
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

/** The text of UTF-8 bytes. Throws `parse_error`. */
export function decode(bytes: Buffer): string {
  const text = bytes.toString('utf8');
  // What may not be what was sent is left to the decoder that knows: few texts have either character.
  if (!text.includes(REPLACEMENT) && text.charCodeAt(0) !== BYTE_ORDER_MARK) return text;
  try {
    return DECODER.decode(bytes);
  } catch {
    throw new GatewayError('parse_error', 'The body is not valid UTF-8.');
  }
}

/**
 * Reads what still comes of a body and drops it, for a while: a client that is still writing when the connection ends
 * sees a broken connection instead of the answer. Resolves when the answer may be sent: at once, or at the end of the
 * body where the answer ends the connection.
 */
async function passOver(request: IncomingMessage): Promise<void> {
  const { socket } = request;
  const over = Promise.withResolvers<void>();
  const giveUp = (): void => {
    if (endsConnection(request)) over.resolve();
    else socket.destroy();
  };
  let left = MAX_PASSED_OVER_BYTES;
  const timer = setTimeout(giveUp, MAX_PASSED_OVER_MS);
  const stop = (): void => {
    clearTimeout(timer);
    over.resolve();
  };
  request.once('end', stop).once('close', stop);
  request.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) giveUp();
  });
  if (endsConnection(request)) await over.promise;
}

/** True when Node closes the connection after the answer. */
function endsConnection({ headers, httpVersion }: IncomingMessage): boolean {
  return httpVersion === '1.0' || /\bclose\b/i.test(headers.connection ?? '');
}

function tooLarge(maxBytes: number): GatewayError {
  return new GatewayError('body_too_large', `The request body is larger than ${maxBytes} bytes.`);
}
