/** Refuses JSON whose shape alone would stall the process: parsing it costs far more than its length suggests. */
import { GatewayError } from '../shared/errors.ts';

const MAX_DEPTH = 128;
const MAX_VALUES = 100_000;
/** Below this length no shape costs enough to matter. */
const HARMLESS_LENGTH = 64 * 1024;

/** Throws `invalid_request` for a text nested more than 128 levels deep or holding more than 100,000 values. */
export function checkShape(text: string): void {
  if (text.length <= HARMLESS_LENGTH) return;
  let depth = 0;
  let values = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x22) at = endOfString(text, at);
    else if (code === 0x7b || code === 0x5b) {
      if (++depth > MAX_DEPTH)
        throw new GatewayError('invalid_request', `The body is nested more than ${MAX_DEPTH} levels deep.`);
      values++;
    } else if (code === 0x7d || code === 0x5d) depth--;
    else if (code === 0x2c && ++values > MAX_VALUES) {
      throw new GatewayError('invalid_request', `The body holds more than ${MAX_VALUES} values.`);
    }
  }
}

/** The index of the closing quote; the end of the text when there is none (the parser then says so). */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let slashes = 0;
    while (text.charCodeAt(end - 1 - slashes) === 0x5c) slashes++;
    if (slashes % 2 === 0) return end;
  }
  return text.length;
}
