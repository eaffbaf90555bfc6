/** The set B4: JSON of hostile shapes, most of them of about the size that a message may have. */

const MIB = 1024 * 1024;
const SIZE = 15 * MIB;

export interface Shape {
  readonly name: string;
  readonly value: () => string;
}

export const SHAPES: readonly Shape[] = [
  { name: 'depth 1,000', value: () => nested(1_000) },
  { name: 'depth 10,000', value: () => nested(10_000) },
  { name: 'depth 1,000,000', value: () => nested(1_000_000) },
  { name: '90,000 keys', value: () => `{${keys(90_000)}}` },
  { name: '1,000,000 keys', value: () => `{${keys(1_000_000)}}` },
  { name: '45,000 objects of one key each', value: () => `[${objects(45_000)}]` },
  { name: 'doubled keys', value: () => `{${'"a":1,'.repeat(90_000)}"a":1}` },
  { name: '1e400 and lone surrogates', value: () => `["\\ud800",${'1e400,'.repeat(90_000)}1]` },
  { name: 'a number of 15 MiB', value: () => '9'.repeat(SIZE) },
  { name: '15 MiB of integers', value: () => `[${'7,'.repeat(SIZE / 2)}7]` },
  { name: '15 MiB of empty objects', value: () => `[${'{},'.repeat(SIZE / 3)}{}]` },
  { name: '15 MiB of spaces', value: () => `[${' '.repeat(SIZE)}]` },
  { name: '15 MiB of escapes', value: () => `"${String.raw`\u00e9`.repeat(SIZE / 6)}"` },
  { name: '15 MiB of escaped quotes', value: () => `"${String.raw`\"`.repeat(SIZE / 2)}"` },
  { name: 'a string of 15 MiB', value: () => `"${'x'.repeat(SIZE)}"` },
  { name: 'a string of 15 MiB, not ASCII', value: () => `"${'é'.repeat(SIZE / 2)}"` },
  { name: 'a string of 15 MiB, of two UTF-16 units each', value: () => `"${'🏰'.repeat(SIZE / 4)}"` },
];

function nested(depth: number): string {
  return `${'['.repeat(depth)}${']'.repeat(depth)}`;
}

function keys(count: number): string {
  return Array.from({ length: count }, (_, index) => `"key${index}":1`).join(',');
}

function objects(count: number): string {
  return Array.from({ length: count }, (_, index) => `{"key${index}":1}`).join(',');
}
