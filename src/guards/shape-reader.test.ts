import { expect, it } from 'vitest';
import { shapeOf } from './payload-shape.ts';
import { ShapeReader } from './shape-reader.ts';

const LARGE = { content: [{ type: 'text', text: 'x'.repeat(300_000) }], list: [{ a: 1 }, 2], n: null };

it('describes a large result in its thread as a small one here', async () => {
  await using reader = new ShapeReader();
  expect(await reader.of(JSON.stringify(LARGE))).toEqual(shapeOf(LARGE));
  expect(await reader.of('{"a":[1]}')).toEqual({ a: ['number'] });
});

it('leaves more than it holds at a time undescribed, and goes on when its thread is lost', async () => {
  await using reader = new ShapeReader();
  const text = JSON.stringify(LARGE);
  const shapes = await Promise.all(Array.from({ length: 20 }, async () => reader.of(text)));
  expect(shapes.filter((shape) => shape === 'not described')).toHaveLength(12);
  expect(await reader.of(`${text}}`)).toBe('not described');
  await reader[Symbol.asyncDispose]();
  expect(await reader.of(text)).toEqual(shapeOf(LARGE));
});
