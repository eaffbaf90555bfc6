/** Requests that stand for as long as their clients like, which are subscriptions: nothing stays with them of how they came. */
import type { Message } from '../mcp/message.ts';
import { ParsedMessage } from '../mcp/parsed-message.ts';
import { MODERN_VERSION } from '../mcp/versions.ts';
import type { Hold } from '../runtime/current.ts';
import type { Exchange, ModernRequest } from './exchange.ts';
import type { Front } from './front.ts';
import { answerFailure, logRequest } from './outcome.ts';
import { expected } from './respond.ts';
import { listen } from './subscriptions.ts';

export function isSubscription({ method }: Message): boolean {
  return method === 'subscriptions/listen';
}

/** Takes over a subscription of a modern client, to its end. The caller keeps nothing of it. */
export function standBy(front: Front, exchange: Exchange, startedAt: number): void {
  const standing = new Standing(front, lean(exchange), startedAt);
  standing.answerWith(listen(front.subscriptions, standing.exchange, exchange.message));
}

const NOTHING: ReadonlyMap<string, never> = new Map<string, never>();
const MODERN: ModernRequest = {
  envelope: {
    protocolVersion: MODERN_VERSION,
    clientCapabilities: '{}',
    capabilities: {},
    clientInfo: undefined,
    logLevel: undefined,
  },
  headers: { version: MODERN_VERSION, method: undefined, name: undefined, decodedName: undefined, params: NOTHING },
};

/** The exchange without the texts that only its beginning needs: they are most of it, and there may be thousands. */
function lean(exchange: Exchange): Exchange {
  const { kind, id, method } = exchange.message;
  return {
    ...exchange,
    headers: {},
    session: undefined,
    modern: MODERN,
    message: new ParsedMessage('', { kind, id, method, failed: false, value: {}, members: NOTHING, params: NOTHING }),
  };
}

/** One of them, from its beginning to its end. What waits in functions costs several times as much. */
class Standing {
  readonly exchange: Exchange;
  readonly #front: Front;
  readonly #startedAt: number;
  readonly #hold: Hold;
  #over = false;

  constructor(front: Front, exchange: Exchange, startedAt: number) {
    this.#front = front;
    this.exchange = exchange;
    this.#startedAt = startedAt;
    this.#hold = front.hold(exchange.runtime);
    front.exchanges.add(exchange);
    exchange.reply.keepAlive(front.heartbeat);
  }

  /** Ends with the answer, or as soon as it is taken back. */
  answerWith(answer: Promise<string>): void {
    const { abort, reply } = this.exchange;
    if (abort.aborted) this.handleEvent();
    else abort.addEventListener('abort', this);
    void answer
      .then((text) => {
        if (this.#over) return;
        reply.answer(text);
        this.#end('ok');
      })
      .catch((error: unknown) => this.#fail(error));
  }

  /** The request was taken back. */
  handleEvent(): void {
    void this.#fail(this.exchange.abort.reason);
  }

  /** Never rejects. */
  async #fail(error: unknown): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    const { requestId, reply, message } = this.exchange;
    let outcome: string;
    try {
      outcome = await answerFailure(this.#front, this.exchange, error);
    } catch (fault) {
      const failure = expected(fault, requestId);
      outcome = failure.code;
      this.#front.log.error({ err: fault, requestId }, 'a request failed through a fault of the gateway');
      reply.fail(failure, message.id);
    }
    this.#end(outcome);
  }

  #end(outcome: string): void {
    this.#over = true;
    const { requestId, principal, route, message, notes } = this.exchange;
    this.#front.exchanges.delete(this.exchange);
    this.exchange.abort.removeEventListener('abort', this);
    this.#hold[Symbol.dispose]();
    logRequest(this.#front, { requestId, principal, route, message, notes, outcome, startedAt: this.#startedAt });
  }
}
