/** An answer that is so large that it was scanned instead of read: it reaches its client as bytes. */
import type { JsonOutline, OutlineChanges } from '../mcp/json-outline.ts';
import type { Message } from '../mcp/message.ts';

/** An answer for a client: as text, or a large one as pieces of its UTF-8. */
export type AnswerText = string | readonly Buffer[];

export function isPieces(answer: AnswerText | Message): answer is readonly Buffer[] {
  return Array.isArray(answer);
}

/** An answer as its server gave it, and what of its result or error is to be other than that. */
export interface LargeAnswer {
  readonly outline: JsonOutline;
  readonly failed: boolean;
  readonly inner?: OutlineChanges['inner'];
}

/** undefined when the message is not that large. */
export function largeAnswerIn({ outline, failed }: Message): LargeAnswer | undefined {
  return outline && { outline, failed };
}
