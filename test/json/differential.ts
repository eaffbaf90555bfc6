/** Compares the scanner of JSON with the parser of the runtime: one must take exactly what the other takes. */
import fc from 'fast-check';
import { JsonScanError, JsonScanner } from '../../src/mcp/json-scanner.ts';

const LIMITS = { depth: 100_000, values: 10_000_000, digits: 10_000_000 };

/** Names of members for which the scanner is stricter, on the levels that it looks at: doubles. */
function refusesForDoubles(error: unknown): boolean {
  return error instanceof JsonScanError && error.fault === 'duplicate';
}

/** `agree`, or what each of the two says. `cuts` are places at which the bytes are cut. */
export function compareWithParse(text: string, cuts: readonly number[]): string {
  const bytes = Buffer.from(text);
  // A lone surrogate has no bytes of its own.
  const parsed = attempt(() => void JSON.parse(bytes.toString('utf8')));
  const scanned = attempt(() => scanPieces(bytes, cuts));
  if ((parsed === undefined) === (scanned === undefined)) return 'agree';
  if (parsed === undefined && refusesForDoubles(scanned)) return 'agree';
  return `JSON.parse: ${describe(parsed)}; scanner: ${describe(scanned)}; cut at ${cuts.join(',')}: ${text}`;
}

function scanPieces(bytes: Buffer, cuts: readonly number[]): void {
  const scanner = new JsonScanner(LIMITS, ['params', 'result']);
  const places = cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b);
  let start = 0;
  for (const end of [...places, bytes.length]) {
    scanner.push(bytes.subarray(start, end));
    start = end;
  }
  scanner.end();
}

function attempt(work: () => void): unknown {
  try {
    work();
    return undefined;
  } catch (error) {
    return error;
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : 'takes it';
}

const FRAGMENTS = [
  ...['{', '}', '[', ']', ',', ':', '"', '\\', '\\u', '\\n', '\\"', '"a"', '"params"', '""', '"id":'],
  ...['0', '-', '1', '12', '.', '.5', 'e', 'E', '+', 'e9', '-0', '01', '1.', '1e', '1e+', '1e400'],
  ...['null', 'true', 'false', 'nul', 'nulll', ' ', '\n', '\r', '\t', '\v', '\u00a0', '\ufeff', '\u0000', '\u001f'],
  ...['"\\u00e9"', '"\\ud800"', '"\\x"', '"é🏰"', '{"a":1}', '[1,2]', '"', "'", '/', '/**/', 'NaN', 'é', '\u007f'],
  `"${'long '.repeat(40)}"`,
] as const;

/** JSON, things that are nearly JSON, and things made of its pieces. */
export const hostileJson: fc.Arbitrary<string> = fc.oneof(
  fc.json({ stringUnit: 'binary' }),
  fc.array(fc.constantFrom(...FRAGMENTS), { maxLength: 12 }).map((parts) => parts.join('')),
  // One place of a sound text changed.
  fc
    .tuple(fc.json(), fc.nat(), fc.constantFrom(...FRAGMENTS), fc.integer({ min: 0, max: 2 }))
    .map(([text, place, part, removed]) => {
      const at = place % (text.length + 1);
      return `${text.slice(0, at)}${part}${text.slice(at + removed)}`;
    }),
);
