/** Which large answers go to their client while they come, and what of them changes on the way. */
import { isUtf8 } from 'node:buffer';
import { JsonScanError } from '../mcp/json-scanner.ts';
import { requestsWithOrigin } from '../mcp/modern/origin.ts';
import { PassingEdits, type Place } from '../mcp/passing-edits.ts';
import { responsePlaces, withResult } from '../mcp/response-places.ts';
import { GatewayError } from '../shared/errors.ts';
import type { UpstreamPool } from '../upstream/pool.ts';
import type { AnswerSink, AnswerTaker } from '../upstream/upstream.ts';
import type { ModernBridge } from './bridge/modern-to-legacy.ts';
import { outlinedMessage, type Message } from '../mcp/message.ts';
import { EditedAnswer } from './downstream/edited-answer.ts';
import { HeldAnswer } from './downstream/held-answer.ts';
import type { Exchange } from './exchange.ts';
import { guardLargeResult, readersOf } from './guard-chain.ts';
import type { Target } from './target.ts';
import { sealedTaskId } from './task-ids.ts';

/** Who takes a large answer of this server while it comes; undefined when it has to be read whole. Both ends must be of one era. */
export function takerOf(exchange: Exchange, pool: UpstreamPool, bridge?: ModernBridge): AnswerTaker | undefined {
  if (pool.isRecorded) return undefined;
  if (exchange.runtime.guards.length > 0) {
    const readers = readersOf(exchange);
    if (readers.some((guard) => guard.onLargeResult === undefined)) return undefined;
    if (readers.length > 0) return new HeldAnswer(exchange.reply);
  }
  return wayBack(exchange, pool, bridge);
}

/** What the result of one era becomes in the other, while it passes. */
export interface Translation {
  readonly result: () => Place;
  /** False when it has to be read whole, by its beginning; default always. */
  readonly mayPass?: (beginning: Buffer) => boolean;
}

/** The same between the eras. */
export function bridgedTakerOf(
  exchange: Exchange,
  pool: UpstreamPool,
  bridge: ModernBridge | undefined,
  { result, mayPass }: Translation,
): AnswerTaker | undefined {
  if (pool.isRecorded || (exchange.runtime.guards.length > 0 && readersOf(exchange).length > 0)) return undefined;
  return {
    passOn(beginning) {
      const sink = mayPass?.(beginning) === false ? undefined : exchange.reply.passOn?.(beginning);
      const place = isAsItIs(exchange, bridge) ? {} : placesIn(exchange, pool.name, bridge);
      return sink && new EditedAnswer(sink, new PassingEdits(withResult(place, result())));
    },
  };
}

/** What the guards leave of an answer that was held: undefined when it has gone to the client, as it came. */
export async function guardHeld(
  exchange: Exchange,
  target: Target,
  held: HeldAnswer,
  bridge?: ModernBridge,
): Promise<Message | undefined> {
  const replaced = await guardLargeResult(exchange, target, held.result);
  if (replaced !== undefined) return replaced;
  const sink = wayBack(exchange, target.pool, bridge).passOn?.(held.beginning);
  if (sink === undefined) {
    const { outline } = held;
    // For a client that takes it whole, perhaps as a text: nobody has looked at that yet.
    if (!isUtf8(outline.bytes)) throw unreadable(target, 'The answer is not valid UTF-8.');
    return outlinedMessage(outline);
  }
  try {
    for (const piece of held.pieces) sink.write(piece);
    sink.end('');
  } catch (error) {
    // The call has ended and the reply has given its way out: nobody else would tell the client.
    sink.cut();
    throw passingFault(target, error);
  }
  return undefined;
}

/** What stands where nobody may have to read it is the fault of the server. Anything else is given back as it is. */
export function passingFault(target: Target, error: unknown): unknown {
  return error instanceof JsonScanError ? unreadable(target, error.message, error) : error;
}

function unreadable({ pool: { name: server } }: Target, detail: string, cause?: Error): GatewayError {
  return new GatewayError('server_protocol_error', detail, { server, detail, cause });
}

function wayBack(exchange: Exchange, { name }: UpstreamPool, bridge: ModernBridge | undefined): AnswerTaker {
  return isAsItIs(exchange, bridge) ? exchange.reply : new SharedTaker(exchange, name, bridge);
}

/** On an endpoint of several servers. Few answers are large: what changes is worked out for those alone. */
class SharedTaker implements AnswerTaker {
  readonly #exchange: Exchange;
  readonly #server: string;
  readonly #bridge: ModernBridge | undefined;

  constructor(exchange: Exchange, server: string, bridge: ModernBridge | undefined) {
    this.#exchange = exchange;
    this.#server = server;
    this.#bridge = bridge;
  }

  passOn(beginning: Buffer): AnswerSink | undefined {
    const sink = this.#exchange.reply.passOn?.(beginning);
    return sink && new EditedAnswer(sink, new PassingEdits(placesIn(this.#exchange, this.#server, this.#bridge)));
  }
}

/** What changes in a successful answer of this server; undefined when nothing does. */
export function changesOn(
  exchange: Exchange,
  { name }: UpstreamPool,
  bridge: ModernBridge | undefined,
): Place | undefined {
  return isAsItIs(exchange, bridge) ? undefined : placesIn(exchange, name, bridge);
}

/** Only modern answers name tasks and ask questions. */
function isAsItIs({ route, view }: Exchange, bridge: ModernBridge | undefined): boolean {
  return route.kind === 'server' || (view.names.mode === 'plain' && bridge === undefined);
}

function placesIn(exchange: Exchange, server: string, bridge: ModernBridge | undefined): Place {
  const { view, message, principal } = exchange;
  const { names } = view;
  const task = { principal: principal.subject, server, asked: message };
  return responsePlaces(message.method ?? '', {
    uri: names.mode === 'plain' ? undefined : (raw) => JSON.stringify(names.uri(server, JSON.parse(raw) as string)),
    task: bridge && ((raw) => sealedTaskId(bridge.sealer, task, raw)),
    questions: bridge && ((raw) => requestsWithOrigin(raw, server)),
  });
}
