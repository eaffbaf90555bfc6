/** A thread of its own that parses large results to describe their shape: parsing them may take seconds. */
import { readFileSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { shapeOf } from './payload-shape.ts';
import type { ShapeSource } from './shape-reader.ts';

parentPort?.on('message', ({ id, ...source }: ShapeSource & { readonly id: number }) => {
  try {
    const text = 'text' in source ? source.text : readFileSync(source.path, 'utf8');
    parentPort?.postMessage({ id, shape: shapeOf(JSON.parse(text)) });
  } catch {
    parentPort?.postMessage({ id, shape: undefined });
  }
});
