/** Ids of rows: UUID version 7 (RFC 9562, section 5.7) without hyphens, so that they sort by the time of creation. */
import { randomBytes } from 'node:crypto';

let last = 0n;

/** Later ones of this process are always greater, also within one millisecond. */
export function newRowId(now = Date.now()): string {
  const random = randomBytes(10);
  // 48 bits of time and 12 of chance, counted on when that is not more than the one before.
  const head = (BigInt(now) << 12n) | BigInt(random.readUInt16BE(0) & 0x7ff);
  last = head > last ? head : last + 1n;
  const [time, count] = [last >> 12n, last & 0xfffn];
  const variant = Buffer.from(random.subarray(2));
  variant[0] = ((variant[0] ?? 0) & 0x3f) | 0x80;
  return `${hex(time, 12)}7${hex(count, 3)}${variant.toString('hex')}`;
}

function hex(value: bigint, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}
