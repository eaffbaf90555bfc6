/** Reads the body of a request into text, with a limit. */
import type { IncomingMessage } from 'node:http';
import { GatewayError } from '../shared/errors.ts';

const DECODER = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false });

/**
 * The body as text. Throws `body_too_large` as soon as the limit is passed (what follows is not kept),
 * `parse_error` for bytes that are not UTF-8, and `unsupported_media_type` for an encoded body.
 */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<string> {
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    throw new GatewayError('unsupported_media_type', `The Content-Encoding "${encoding}" is not supported.`);
  }
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge(maxBytes);
  const chunks: Buffer[] = [];
  let size = 0;
  await new Promise<void>((resolve, reject) => {
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBytes) {
        request.removeAllListeners('data');
        request.pause();
        reject(tooLarge(maxBytes));
      } else {
        chunks.push(chunk);
      }
    });
    request.on('end', resolve);
    request.on('error', reject);
    request.on('close', () => reject(new GatewayError('cancelled', 'The caller closed the connection.')));
  });
  try {
    return DECODER.decode(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks));
  } catch {
    throw new GatewayError('parse_error', 'The body is not valid UTF-8.');
  }
}

function tooLarge(maxBytes: number): GatewayError {
  return new GatewayError('body_too_large', `The request body is larger than ${maxBytes} bytes.`);
}
