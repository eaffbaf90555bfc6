/** Reads the body of a request into text, with a limit. */
import type { IncomingMessage } from 'node:http';
import { GatewayError } from '../shared/errors.ts';
import { isWhole, type PostRequest } from './post-request.ts';

const DECODER = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false });

const MAX_PASSED_OVER_BYTES = 64 * 1024 * 1024;
const MAX_PASSED_OVER_MS = 5_000;

/**
 * The body as text. Throws `body_too_large` when the limit is passed (what follows is not kept),
 * `parse_error` for bytes that are not UTF-8, and `unsupported_media_type` for an encoded body.
 */
export function readBody(request: PostRequest, maxBytes: number): string | Promise<string> {
  if (!isWhole(request)) return readStream(request, maxBytes);
  const { bytes, bodyStart, bodyEnd } = request;
  if (bodyEnd - bodyStart > maxBytes) throw tooLarge(maxBytes);
  const text = bytes.toString('utf8', bodyStart, bodyEnd);
  // What may not be what was sent is looked at again by the decoder that knows: few texts have either character.
  if (text.includes(REPLACEMENT) || text.charCodeAt(0) === BYTE_ORDER_MARK)
    return decode(bytes.subarray(bodyStart, bodyEnd));
  return text;
}

/** Stands in a text for bytes that are not UTF-8. */
const REPLACEMENT = '\ufffd';
const BYTE_ORDER_MARK = 0xfeff;

async function readStream(request: IncomingMessage, maxBytes: number): Promise<string> {
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    throw new GatewayError('unsupported_media_type', `The Content-Encoding "${encoding}" is not supported.`);
  }
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) {
    await passOver(request);
    throw tooLarge(maxBytes);
  }
  const chunks: Buffer[] = [];
  let size = 0;
  let passedOver: Promise<void> | undefined;
  await new Promise<void>((resolve, reject) => {
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBytes) {
        request.removeAllListeners('data');
        passedOver = passOver(request);
        resolve();
      } else {
        chunks.push(chunk);
      }
    });
    request.on('end', resolve);
    request.on('error', reject);
    request.on('close', () => reject(new GatewayError('cancelled', 'The caller closed the connection.')));
  });
  if (passedOver !== undefined) {
    await passedOver;
    throw tooLarge(maxBytes);
  }
  return decode(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks));
}

function decode(bytes: Buffer | undefined): string {
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
