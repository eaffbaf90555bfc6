/** What becomes of a body that nobody wants. */
import type { AnswerBody } from './answer-body.ts';

const MAX_DISCARDED_BYTES = 64 * 1024;
const DISCARD_TIMEOUT_MS = 5_000;

/** Reads what is left of a small body, so that its connection can be used again; cuts the connection of a large or slow one. */
export function discard(body: AnswerBody): void {
  let bytes = 0;
  const timer = setTimeout(() => body.destroy(), DISCARD_TIMEOUT_MS).unref();
  const end = (): void => clearTimeout(timer);
  body.read({
    onData: (chunk) => {
      bytes += chunk.length;
      if (bytes > MAX_DISCARDED_BYTES) body.destroy();
    },
    onEnd: end,
    onError: end,
  });
}
