/** What the JSON of a message may be beyond being JSON: parsing some shapes costs far more than their length suggests. */
import type { JsonLimits } from './json-scanner.ts';

/** Up to this length no shape costs enough to matter; longer texts are scanned, and parsed only where somebody looks. UTF-16 units or bytes. */
export const LARGE_TEXT = 64 * 1024;

/** What clients may send. */
export const CLIENT_LIMITS: JsonLimits = { depth: 128, values: 100_000, digits: 1_000 };

/** What servers may answer: their answers may be long lists. */
export const SERVER_LIMITS: JsonLimits = { depth: 128, values: 10_000_000, digits: 1_000 };
