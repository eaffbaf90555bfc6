/** Amounts of memory as container engines write them: `64m`, `1.5g`. */

const FACTORS: Readonly<Record<string, number>> = { b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** Bytes, rounded down; undefined when the text is not a number with a unit. */
export function parseByteSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)([bkmg])$/i.exec(text);
  const factor = FACTORS[match?.[2]?.toLowerCase() ?? ''];
  return match === null || factor === undefined ? undefined : Math.floor(Number(match[1]) * factor);
}
