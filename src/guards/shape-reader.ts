/** Describes the shape of a result: small ones at once, large ones in a thread that is started when it is first needed. */
import { Worker } from 'node:worker_threads';
import { shapeOf, type Shape } from './payload-shape.ts';

/** Smaller results are parsed here, in UTF-16 units. */
const LARGE_RESULT = 128 * 1024;
/** Results that wait in the thread, or are copied into it, at a time; more are not described. */
const MAX_WAITING = 8;
/** What stands in place of the shape when it could not be had. */
const UNKNOWN: Shape = 'not described';

/** Where the JSON text is. */
export type ShapeSource = { readonly text: string } | { readonly path: string };

export class ShapeReader implements AsyncDisposable {
  readonly #waiting = new Map<number, (shape: Shape) => void>();
  #worker: Worker | undefined;
  #next = 1;

  /** The shape of a JSON text. Never rejects. */
  of(text: string): Shape | Promise<Shape> {
    return text.length <= LARGE_RESULT ? shapeOf(JSON.parse(text)) : this.#ask({ text });
  }

  /** The shape of the JSON text in a file. Never rejects. */
  ofFile(path: string): Promise<Shape> | Shape {
    return this.#ask({ path });
  }

  #ask(source: ShapeSource): Promise<Shape> | Shape {
    if (this.#waiting.size >= MAX_WAITING) return UNKNOWN;
    const { promise, resolve } = Promise.withResolvers<Shape>();
    const id = this.#next++;
    this.#waiting.set(id, resolve);
    this.#started().postMessage({ id, ...source });
    return promise;
  }

  #started(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const worker = new Worker(new URL(`./shape-worker.${extension}`, import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: 1_024 },
    });
    worker.unref();
    worker.on('message', ({ id, shape }: { readonly id: number; readonly shape: Shape | undefined }) => {
      this.#waiting.get(id)?.(shape ?? UNKNOWN);
      this.#waiting.delete(id);
    });
    // Out of memory, for example: the next result starts another thread.
    worker.on('error', () => this.#lost(worker));
    worker.on('exit', () => this.#lost(worker));
    return (this.#worker = worker);
  }

  #lost(worker: Worker): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    for (const resolve of this.#waiting.values()) resolve(UNKNOWN);
    this.#waiting.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker?.terminate();
  }
}
