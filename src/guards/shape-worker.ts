/** A thread of its own that parses large results to describe their shape: parsing them may take seconds. */
import { parentPort } from 'node:worker_threads';
import { shapeOf } from './payload-shape.ts';

parentPort?.on('message', ({ id, text }: { readonly id: number; readonly text: string }) => {
  try {
    parentPort?.postMessage({ id, shape: shapeOf(JSON.parse(text)) });
  } catch {
    parentPort?.postMessage({ id, shape: undefined });
  }
});
