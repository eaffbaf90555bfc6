/** One key for a list of contents: equal lists and only they have equal keys. */
import { createHash } from 'node:crypto';

/** SHA-256 over the parts, each behind its length: ["ab", "c"] and ["a", "bc"], or ["x", undefined] and ["x", ""], differ. */
export function contentKey(parts: readonly (string | Uint8Array | boolean | undefined)[]): string {
  const hash = createHash('sha256');
  const frame = Buffer.alloc(9);
  for (const part of parts) {
    const bytes = typeof part === 'boolean' ? String(part) : (part ?? '');
    frame.writeUInt8(part === undefined ? 0 : 1, 0);
    frame.writeBigUInt64BE(BigInt(Buffer.byteLength(bytes)), 1);
    hash.update(frame).update(bytes);
  }
  return hash.digest('hex');
}
