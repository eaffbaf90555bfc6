/** The requests in flight on one conversation: an id space of its own, deadlines, cancellation, and the way back to each caller. */
import { setMember, sliceSpan, splice, spliceBytes } from '../mcp/json-text.ts';
import { idEdit, progressTokenOf, requestText, spanIn, withId, type Message } from '../mcp/message.ts';
import { Cancellation, type CancelSignal } from '../shared/cancellation.ts';
import { GatewayError } from '../shared/errors.ts';
import type { LargeAnswerWay, MessageText, Transport } from './transport.ts';
import { PASSED_ON, type Answer, type AnswerSink, type CallOptions, type PendingCall } from './upstream.ts';

export interface CallsOptions {
  readonly server: string;
  readonly transport: Transport;
  /** Copies every message to the message log. */
  readonly record: (direction: 'IN' | 'OUT', text: MessageText) => void;
  /** Tells the server that nobody waits for this request any more. */
  readonly onGivenUp: (upstreamId: string, method: string, reason: string) => void;
  /** As in ServerWires. */
  readonly onTrouble: () => void;
  /** Told of an answer that the conversation does not see, because it is passed on while it comes. */
  readonly onPassing: () => void;
}

export interface Pending extends PendingCall {
  /** Raw JSON text of the id that the caller gave. */
  readonly originalId: string;
  readonly originalToken: string | undefined;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

/** For the wire alone: the caller has been told already. */
const WIRE_GIVEN_UP = new Error('nobody waits for the answer any more');

/** Requests that the gateway sends for itself belong to nobody. */
const GATEWAY_OWNER = {};

export class Calls {
  readonly #options: CallsOptions;
  readonly #pending = new Map<string, Pending>();
  #nextId = 1;
  #closed: Error | undefined;

  constructor(options: CallsOptions) {
    this.#options = options;
  }

  /** Why nothing can be sent any more; undefined while the conversation lives. */
  get closed(): Error | undefined {
    return this.#closed;
  }

  values(): Iterable<PendingCall> {
    return this.#pending.values();
  }

  /** The requests in flight, for an owner who has to reject one. */
  waiting(): readonly Pending[] {
    return [...this.#pending.values()];
  }

  /** By the raw JSON text of the id that the request has upstream. */
  get(upstreamId: string | undefined): Pending | undefined {
    return upstreamId === undefined ? undefined : this.#pending.get(upstreamId);
  }

  /** Sends a caller's request under an id and a progress token of our own. */
  call(message: Message, options: CallOptions, headers?: Readonly<Record<string, string>>): Promise<Answer> {
    const upstreamId = String(this.#nextId++);
    const token = progressTokenOf(message);
    const edits = idEdit(message, upstreamId);
    if (token !== undefined) edits.push({ span: token.span, text: upstreamId });
    const { bytes } = message;
    const text = bytes === undefined ? splice(message.text, edits) : spliceBytes(bytes, edits);
    return this.#send(upstreamId, text, {
      method: message.method ?? '',
      originalId: message.id ?? 'null',
      originalToken: token?.raw,
      options,
      headers,
    });
  }

  /** Sends a request of the gateway's own. `params` is raw JSON text. */
  async ask(
    method: string,
    params: string | undefined,
    options: Pick<CallOptions, 'timeoutMs' | 'signal'>,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Message> {
    const upstreamId = String(this.#nextId++);
    const answer = await this.#send(upstreamId, requestText(upstreamId, method, params), {
      method,
      originalId: upstreamId,
      originalToken: undefined,
      options: { ...options, owner: GATEWAY_OWNER, onMessage: () => undefined },
      headers,
    });
    return answer.message;
  }

  #send(
    upstreamId: string,
    text: MessageText,
    call: {
      readonly method: string;
      readonly originalId: string;
      readonly originalToken: string | undefined;
      readonly options: CallOptions;
      readonly headers: Readonly<Record<string, string>> | undefined;
    },
  ): Promise<Answer> {
    const { signal, timeoutMs, owner, onMessage, onRequest, logLevel, passTo } = call.options;
    const { server, transport, record, onGivenUp, onTrouble } = this.#options;
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    if (signal?.aborted === true) return Promise.reject(abortReason(signal));
    const wire = new Cancellation();
    const startedAt = performance.now();
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    /** Where the answer goes while it comes. */
    let way: AnswerSink | undefined;
    let isClientSlow = false;

    const giveUp = (error: GatewayError, reason: string): void => {
      if (!this.#pending.has(upstreamId)) return;
      finish();
      reject(error);
      onGivenUp(upstreamId, call.method, reason);
      wire.abort(WIRE_GIVEN_UP);
    };
    const onAbort = (): void => {
      const reason = abortReason(signal);
      giveUp(reason, reason.message);
    };
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            // Whoever waits for the client cannot be late.
            if (isClientSlow) return void timer?.refresh();
            const elapsed = `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
            const detail = `"${call.method}" on server "${server}" got no answer within ${elapsed}.`;
            giveUp(
              new GatewayError('server_timeout', `The MCP server timed out: ${detail}`, { server, detail }),
              detail,
            );
          }, timeoutMs);
    const finish = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      this.#pending.delete(upstreamId);
      way?.cut();
    };
    const onLargeAnswer = (): LargeAnswerWay | undefined => {
      const pending = this.#pending.get(upstreamId);
      const sink = pending === undefined ? undefined : passTo?.passOn?.();
      if (pending === undefined || sink === undefined) return undefined;
      way = sink;
      this.#options.onPassing();
      const gone = new GatewayError('cancelled', 'The caller has left.');
      sink.onGone = () => giveUp(gone, gone.message);
      // From here on the deadline is for each piece: how long all of them take is up to the client as well.
      timer?.refresh();
      const following: AnswerSink = {
        write: (bytes) => {
          timer?.refresh();
          isClientSlow = !sink.write(bytes);
          return !isClientSlow;
        },
        end: () => {
          sink.end();
          pending.resolve(PASSED_ON);
        },
        cut: () => sink.cut(),
        onReady: () => undefined,
        onGone: () => undefined,
      };
      sink.onReady = () => {
        isClientSlow = false;
        timer?.refresh();
        following.onReady();
      };
      return { id: call.originalId, sink: following };
    };

    signal?.addEventListener('abort', onAbort, { once: true });
    this.#pending.set(upstreamId, {
      method: call.method,
      owner,
      onMessage,
      onRequest,
      logLevel,
      originalId: call.originalId,
      originalToken: call.originalToken,
      resolve: (answer) => {
        finish();
        resolve(answer);
      },
      reject: (error) => {
        finish();
        reject(error);
        wire.abort(WIRE_GIVEN_UP);
      },
    });
    record('OUT', text);
    const sending = {
      requestId: upstreamId,
      signal: wire.signal,
      ...(call.headers && { headers: call.headers }),
      ...(passTo && { onLargeAnswer }),
    };
    transport.send(text, sending).catch((error: unknown) => {
      const pending = this.#pending.get(upstreamId);
      if (pending === undefined) return;
      if (this.#closed === undefined && isTrouble(error)) onTrouble();
      pending.reject(error instanceof Error ? error : new Error(String(error)));
    });
    return promise;
  }

  /** A response of the server, under the id that the request had upstream; `requestId` = the request on whose stream it came. */
  answer(
    message: Message,
    requestId: string | undefined,
    rewrite: (text: string, call: Pending) => string = same,
  ): void {
    const pending = this.#pending.get(message.id ?? requestId ?? '');
    if (pending === undefined) return;
    const { originalId } = pending;
    const text = message.members.has('id') ? withId(message, originalId) : setMember(message.text, 'id', originalId);
    pending.resolve({ text: rewrite(text, pending), message });
  }

  /** Progress finds its call by the token, which is the id that the call has upstream. */
  forwardProgress(message: Message): void {
    const token = spanIn(message, ['params', 'progressToken']);
    if (token === undefined) return;
    const pending = this.#pending.get(sliceSpan(message.text, token));
    if (pending?.originalToken === undefined) return;
    pending.onMessage(splice(message.text, [{ span: token, text: pending.originalToken }]));
  }

  /** Ends everything; false when it had ended before. `keepCalls`: those under way may still be answered. */
  fail(reason: Error, { keepCalls }: { readonly keepCalls: boolean } = { keepCalls: false }): boolean {
    if (this.#closed !== undefined) return false;
    this.#closed = reason;
    if (keepCalls) return true;
    for (const pending of [...this.#pending.values()]) pending.reject(reason);
    return true;
  }
}

/** Failures that say something of the server, and not of one call. */
const TROUBLE: ReadonlySet<string> = new Set([
  'server_unavailable',
  'server_timeout',
  'server_tls_error',
  'server_auth_required',
]);

function isTrouble(error: unknown): boolean {
  return error instanceof GatewayError && TROUBLE.has(error.code);
}

function same(text: string): string {
  return text;
}

/** Whoever aborts may say why; without a GatewayError it is a cancellation. */
function abortReason(signal: CancelSignal | undefined): GatewayError {
  const reason: unknown = signal?.reason;
  return reason instanceof GatewayError ? reason : new GatewayError('cancelled', 'The request was cancelled.');
}
