/** What becomes of a large answer that was read whole: guards look at it and names change, and yet it never becomes a text. */
import type { LargeResult } from '../guards/guard.ts';
import type { Message } from '../mcp/message.ts';
import { PassingEdits } from '../mcp/passing-edits.ts';
import { inTurns } from '../shared/in-turns.ts';
import type { ModernBridge } from './bridge/modern-to-legacy.ts';
import type { Exchange } from './exchange.ts';
import { guardLargeResult, guardResponse, readersOf } from './guard-chain.ts';
import type { LargeAnswer } from './large-answer.ts';
import { changesOn, passingFault } from './passed-answers.ts';
import type { Target } from './target.ts';

/** Of a member of a result that a guard asks for. */
const MAX_MEMBER_BYTES = 1_024;
const OPEN_ARRAY = 0x5b;

/** What the client gets: the bytes of the answer under its own id, or the message that a guard has put into its place. */
export async function guardedLargeAnswer(
  exchange: Exchange,
  target: Target,
  answer: LargeAnswer,
  bridge?: ModernBridge,
): Promise<readonly Buffer[] | Message> {
  const readers = readersOf(exchange);
  if (readers.length > 0) {
    const isForAll = !answer.failed && readers.every((guard) => guard.onLargeResult !== undefined);
    const replaced = isForAll
      ? await guardLargeResult(exchange, target, resultOf(answer))
      : await guardResponse(exchange, target, Buffer.concat(ownPieces(exchange, answer)).toString('utf8'));
    if (replaced !== undefined) return replaced;
  }
  return editedLargeAnswer(exchange, target, answer, bridge);
}

/** The bytes of the answer under the id of the client, with the names that its endpoint has. */
export async function editedLargeAnswer(
  exchange: Exchange,
  target: Target,
  answer: LargeAnswer,
  bridge?: ModernBridge,
): Promise<readonly Buffer[]> {
  const pieces = ownPieces(exchange, answer);
  const place = answer.failed ? undefined : changesOn(exchange, target.pool, bridge);
  if (place === undefined) return pieces;
  const edits = new PassingEdits(place);
  const edited: Buffer[] = [];
  try {
    for (const piece of pieces) await inTurns(piece, (part) => edited.push(...edits.push(part)));
  } catch (error) {
    throw passingFault(target, error);
  }
  return edited;
}

function ownPieces({ message }: Exchange, { outline, inner }: LargeAnswer): readonly Buffer[] {
  return outline.changed({ outer: { id: message.id ?? 'null' }, ...(inner && { inner }) });
}

/** As its client would get it, whatever the eras of the two: what is stored is read by the client as well. */
function resultOf({ outline, inner: changes = {} }: LargeAnswer): LargeResult {
  const pieces = outline.partOf('result', changes);
  const { bytes, inner } = outline;
  const isChanged = (name: string): boolean => Object.hasOwn(changes, name);
  return {
    pieces,
    bytes: pieces.reduce((sum, piece) => sum + piece.length, 0),
    member(name) {
      const change = changes[name];
      if (isChanged(name)) return change === undefined || change.length > MAX_MEMBER_BYTES ? undefined : change;
      const at = inner.get(name);
      return at === undefined || at.end - at.start > MAX_MEMBER_BYTES ? undefined : outline.cut(at);
    },
    isArray(name) {
      if (isChanged(name)) return changes[name]?.startsWith('[') === true;
      const at = inner.get(name);
      return at !== undefined && bytes[at.start] === OPEN_ARRAY;
    },
  };
}
