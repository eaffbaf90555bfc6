/** One call to a legacy server in the name of a modern client: it stays open while the client is asked and comes back. */
import { findSpan, sliceSpan, splice } from '../../mcp/json-text.ts';
import { NO_LOG } from '../../mcp/log-levels.ts';
import {
  cancelledId,
  errorText,
  paramsOf,
  parseMessage,
  progressTokenOf,
  responseText,
  spanIn,
  type JsonObject,
  type Message,
} from '../../mcp/message.ts';
import { stripEnvelope, without } from '../../mcp/modern/envelope.ts';
import { capabilityFor, missingCapabilities } from '../../mcp/modern/results.ts';
import type { HeldAnswerBytes } from '../../shared/answer-budget.ts';
import { GatewayError } from '../../shared/errors.ts';
import type { Answer, AnswerKeeper, AnswerSink, AnswerTaker, Asker, Upstream } from '../../upstream/upstream.ts';
import type { Exchange } from '../exchange.ts';
import { PARKED_MS, type Parkable } from './parked-calls.ts';
import { TimedAnswer } from './timed-answer.ts';

interface Question {
  readonly asker: Asker;
  readonly message: Message;
}

export interface HeldCallOptions {
  readonly upstream: Upstream;
  /** The request in the server's own words, with its modern envelope. */
  readonly message: Message;
  readonly principal: string;
  readonly capabilities: JsonObject;
  /** Headers of the client that pass to the server. */
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly logLevel: string | undefined;
  readonly server: string;
  /** How long the server may work, the time that the client is asked not counted. */
  readonly timeoutMs: number;
  /** Called once when the call has ended; `answered` = the server answered, nobody gave up. */
  readonly onEnd: (answered: boolean) => void;
}

/** Questions that a server asks at once are put to the client together. */
const GATHER_MS = 5;
const MAX_QUESTIONS = 64;

/** Where a call stands: answered, or waiting for the client. */
export type Progress =
  | { readonly kind: 'answered'; readonly answer: Answer }
  /** By key, raw JSON text of `{method, params}`. */
  | { readonly kind: 'asked'; readonly requests: ReadonlyMap<string, string> };

export class HeldCall implements Parkable, AnswerKeeper, AnswerTaker {
  readonly principal: string;
  readonly #options: HeldCallOptions;
  readonly #questions = new Map<string, Question>();
  readonly #abort = new AbortController();
  readonly #answer: Promise<Answer>;
  #exchange: Exchange | undefined;
  /** Who takes a large answer for the request that waits now. */
  #taker: AnswerTaker | undefined;
  #isPassing = false;
  /** Of an answer that came while nobody was there to take it. */
  #held: HeldAnswerBytes | undefined;
  #asked = Promise.withResolvers<void>();
  #nextKey = 1;
  #deadline: NodeJS.Timeout | undefined;

  constructor(options: HeldCallOptions) {
    this.#options = options;
    this.principal = options.principal;
    const { upstream, message, logLevel, headers } = options;
    this.#answer = upstream.call(stripEnvelope(message), {
      owner: this,
      principal: options.principal,
      timeoutMs: undefined,
      signal: this.#abort.signal,
      logLevel: logLevel ?? NO_LOG,
      keeper: this,
      passTo: this,
      ...(headers && { headers }),
      onMessage: (text) => this.#forward(text),
      onRequest: (asker, question) => this.#ask(asker, question),
    });
    const ended = (answered: boolean): void => {
      clearTimeout(this.#deadline);
      options.onEnd(answered);
    };
    this.#answer.then(
      () => ended(true),
      () => ended(false),
    );
  }

  /** What the server says it is, raw JSON text. */
  get serverInfo(): string | undefined {
    const { initializeResult } = this.#options.upstream;
    const span = findSpan(initializeResult, ['serverInfo']);
    return span && sliceSpan(initializeResult, span);
  }

  /**
   * Waits on behalf of this request until the server answers or asks. `taker` is who takes a large answer of it while it
   * comes; undefined = it has to be read whole. Rejects with a GatewayError.
   */
  async next(exchange: Exchange, taker: AnswerTaker | undefined): Promise<Progress> {
    const onAbort = (): void => this.#abort.abort(exchange.abort.signal.reason);
    exchange.abort.signal.addEventListener('abort', onAbort, { once: true });
    if (exchange.abort.signal.aborted) onAbort();
    this.#exchange = exchange;
    this.#taker = taker;
    if (this.#held !== undefined) exchange.reply.hold(this.#held);
    this.#held = undefined;
    this.#startClock();
    try {
      const answered = this.#answer.then((answer): Progress => ({ kind: 'answered', answer }));
      const asked = this.#asked.promise.then(async (): Promise<Progress> => {
        await new Promise((resolve) => setTimeout(resolve, GATHER_MS));
        return { kind: 'asked', requests: this.#requests() };
      });
      return await Promise.race([answered, asked]);
    } finally {
      clearTimeout(this.#deadline);
      exchange.abort.signal.removeEventListener('abort', onAbort);
      this.#exchange = undefined;
      this.#taker = undefined;
    }
  }

  /** What is about to be asked is the answer to the request. */
  passOn(beginning: Buffer): AnswerSink | undefined {
    const sink = this.#questions.size > 0 ? undefined : this.#taker?.passOn?.(beginning);
    if (sink === undefined) return undefined;
    this.#isPassing = true;
    return new TimedAnswer(sink, {
      start: () => this.#startClock(),
      stop: () => clearTimeout(this.#deadline),
    });
  }

  /** Hands the client's answers, raw JSON text by key, to the server. What was not answered is asked again. */
  async deliver(responses: ReadonlyMap<string, string>): Promise<void> {
    this.#asked = Promise.withResolvers();
    for (const [key, { asker, message }] of [...this.#questions]) {
      const response = responses.get(key);
      if (response === undefined) continue;
      this.#questions.delete(key);
      await asker.respond(responseText(message.id ?? 'null', response));
    }
    if (this.#questions.size > 0) this.#asked.resolve();
  }

  /** The answer has come: it belongs to the request that waits now. */
  hold(held: HeldAnswerBytes): void {
    if (this.#exchange === undefined) this.#held = held;
    else this.#exchange.reply.hold(held);
  }

  expire(): void {
    const minutes = PARKED_MS / 60_000;
    this.end(new GatewayError('cancelled', `The client did not come back within ${minutes} minutes.`));
  }

  /** Ends the call at the server too. */
  end(reason: GatewayError): void {
    this.#held?.[Symbol.dispose]();
    this.#abort.abort(reason);
  }

  #startClock(): void {
    const { server, timeoutMs, message } = this.#options;
    const detail = `"${message.method ?? ''}" on server "${server}" got no answer within ${timeoutMs / 1000} s.`;
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => {
      this.end(new GatewayError('server_timeout', `The MCP server timed out: ${detail}`, { server, detail }));
    }, timeoutMs);
  }

  #requests(): ReadonlyMap<string, string> {
    return new Map(
      [...this.#questions].map(([key, { message }]) => {
        const span = message.member('params');
        const params = span === undefined ? '{}' : questionParams(sliceSpan(message.text, span));
        return [key, `{"method":${JSON.stringify(message.method)},"params":${params}}`];
      }),
    );
  }

  #ask(asker: Asker, message: Message): void {
    const method = message.method ?? '';
    const kind = capabilityFor(method);
    // Whose answer is on its way has nothing to ask any more.
    if (kind === undefined || this.#isPassing || this.#questions.size >= MAX_QUESTIONS) {
      this.#refuse(asker, message, `The client cannot be asked "${method}".`);
      return;
    }
    const missing = missingCapabilities(method, paramsOf(message), this.#options.capabilities);
    if (missing !== undefined) {
      const text = `The server asks the client for something that the client did not declare: ${Object.keys(missing).join(', ')}.`;
      this.#refuse(asker, message, text);
      const { server } = this.#options;
      this.end(
        new GatewayError('missing_client_capability', text, { server, data: { requiredCapabilities: missing } }),
      );
      return;
    }
    this.#questions.set(`${kind}-${this.#nextKey++}`, { asker, message });
    this.#asked.resolve();
  }

  #refuse(asker: Asker, message: Message, text: string): void {
    asker.respond(errorText(message.id, { code: -32601, message: text })).catch(() => undefined);
  }

  /** Notifications reach the request that waits now, under its own progress token; between two requests nobody hears them. */
  #forward(text: string): void {
    const message = parseMessage(text);
    if (message.method === 'notifications/cancelled') return this.#withdraw(message);
    if (message.method === 'notifications/elicitation/complete') return;
    const exchange = this.#exchange;
    if (exchange === undefined) return;
    if (message.method !== 'notifications/progress') return void exchange.reply.send(text);
    const span = spanIn(message, ['params', 'progressToken']);
    const token = progressTokenOf(exchange.message);
    if (span !== undefined && token !== undefined) exchange.reply.send(splice(text, [{ span, text: token.raw }]));
  }

  /** The server takes a question back. */
  #withdraw(message: Message): void {
    const id = cancelledId(message);
    for (const [key, question] of this.#questions) {
      if (question.message.id === id) this.#questions.delete(key);
    }
    if (this.#questions.size === 0) this.#asked = Promise.withResolvers();
  }
}

/** Without what belongs to the legacy wire: the id of a later notification, and the token for progress on a request that there is none of. */
function questionParams(params: string): string {
  const text = without(params, ['elicitationId']);
  const meta = findSpan(text, ['_meta']);
  if (meta === undefined) return text;
  const rest = without(sliceSpan(text, meta), ['progressToken']);
  return rest === '{}' ? without(text, ['_meta']) : splice(text, [{ span: meta, text: rest }]);
}
