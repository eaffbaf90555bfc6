/** One client's WebSocket: its messages become Exchanges, and what its session hears goes out on it. */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { RawData, WebSocket } from 'ws';
import type { Principal } from '../../auth/authenticator.ts';
import { errorText, type Message } from '../../mcp/message.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { LARGE_TEXT } from '../../mcp/shape.ts';
import type { HeldAnswerBytes } from '../../shared/answer-budget.ts';
import { Cancellation } from '../../shared/cancellation.ts';
import { GatewayError } from '../../shared/errors.ts';
import type { Admitted, Exchange, ExchangeNotes } from '../exchange.ts';
import type { Front } from '../front.ts';
import { recordDenial } from '../denial.ts';
import { checkPermission } from '../permit.ts';
import { scanInTurns, type LargeBody } from '../message-body.ts';
import { deniedCall, logRequest } from '../outcome.ts';
import { answerRequest, hearNotification, readMessage } from '../pipeline.ts';
import { expected, rpcErrorOf } from '../respond.ts';
import { moveToView } from '../session-view.ts';
import type { ClientStream, Session } from '../session.ts';
import { viewsOf } from '../view/views.ts';
import type { Beating } from './heartbeat.ts';
import { HeldOnWay } from './held-on-way.ts';
import { TurnoverSet } from '../../shared/turnover.ts';

/** Close codes (RFC 6455, section 7.4.1). */
export const GOING_AWAY = 1001;
const UNSUPPORTED_DATA = 1003;
const POLICY_VIOLATION = 1008;

const NO_LONGER_VALID = 'The credentials of this connection are no longer valid.';

/** A client that reads so slowly that more than this is already waiting for it is cut off, in bytes. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024;
/** While more than this waits for the client, nothing more is read from it, in bytes. */
const PAUSE_ABOVE_BYTES = 1024 * 1024;
/** A client that reads nothing for so long is cut off then. */
const STALLED_AFTER_MS = 30_000;
/** While so many requests of a client are being worked on, no more are read. */
const MAX_IN_FLIGHT = 1_000;

export class WebSocketConnection implements ClientStream, Beating {
  /** Resolves when the connection is over. */
  readonly closed: Promise<void>;
  readonly #webSocket: WebSocket;
  readonly #front: Front;
  readonly #admitted: Pick<Admitted, 'principal' | 'route' | 'address' | 'headers'>;
  /** What opened the connection: its credential is looked at again for each message. */
  readonly #opening: IncomingMessage;
  readonly #inFlight = new TurnoverSet<Exchange>();
  /** Settles when the message that came last has been read; undefined when all are. */
  #reading: Promise<unknown> | undefined;
  /** What its large answers hold. */
  readonly #onWay = new HeldOnWay();
  readonly #onSent = (): void => this.#adjustReading();
  #session: Session | undefined;
  #answersPings = true;
  /** So much waits for the client that it is watched whether it reads at all. */
  #isBehind = false;
  #leaving = false;

  constructor(
    webSocket: WebSocket,
    front: Front,
    admitted: Pick<Admitted, 'principal' | 'route' | 'address' | 'headers'>,
    opening: IncomingMessage,
    onClosed: () => void,
  ) {
    this.#webSocket = webSocket;
    this.#front = front;
    this.#admitted = admitted;
    this.#opening = opening;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    webSocket.on('message', (data, isBinary) => this.#receive(data, isBinary));
    opening.socket.on('timeout', () => {
      if (this.#isBehind) this.cutOff();
    });
    webSocket.on('pong', () => (this.#answersPings = true));
    // A frame that breaks the protocol or a limit; the library closes with the code that says so.
    webSocket.on('error', (error) => front.log.info({ err: error }, 'a WebSocket client broke the protocol'));
    webSocket.on('close', (code) => {
      this.#ended(code);
      onClosed();
      resolve();
    });
    front.heartbeat.add(this);
    front.log.info({ principal: admitted.principal.subject }, 'websocket opened');
  }

  get open(): boolean {
    return this.#webSocket.readyState === this.#webSocket.OPEN;
  }

  /** Sends one JSON-RPC message; false when the client is gone. */
  send(message: string): boolean {
    if (!this.#mayMoreWait()) return false;
    // A failed write closes the connection, which is where it is dealt with.
    this.#webSocket.send(message, { binary: false }, this.#onSent);
    this.#adjustReading();
    return this.open;
  }

  /** The same for one that is there as pieces of UTF-8: each is a fragment of it. `onSent` is told when it is out, and not when the connection is lost. */
  #sendPieces(pieces: readonly Buffer[], onSent: () => void): void {
    if (!this.#mayMoreWait()) return;
    for (const [index, piece] of pieces.entries()) {
      const fin = index === pieces.length - 1;
      this.#webSocket.send(piece, { binary: false, fin }, (error) => {
        this.#adjustReading();
        if (fin && !error) onSent();
      });
    }
    this.#adjustReading();
  }

  /** False when the client is gone, or reads too slowly. Asked before a message is one of those that wait: it may be larger itself. */
  #mayMoreWait(): boolean {
    if (!this.open) return false;
    if (this.#webSocket.bufferedAmount <= MAX_WAITING_BYTES) return true;
    this.cutOff();
    return false;
  }

  /** The session is over: client, server or configuration has ended it. */
  end(): void {
    this.close(GOING_AWAY, 'The session has ended.');
  }

  /** Ends at once when its principal may not call any more. */
  endUnless(remains: (principal: Principal) => boolean): void {
    if (!remains(this.#admitted.principal)) this.close(POLICY_VIOLATION, NO_LONGER_VALID);
  }

  close(code: number, reason: string): void {
    this.#webSocket.close(code, reason);
  }

  cutOff(): void {
    this.#webSocket.terminate();
  }

  /** Closes now, or when the last request in flight has its answer. */
  closeWhenIdle(): void {
    this.#leaving = true;
    if (this.#inFlight.size === 0) this.close(GOING_AWAY, 'The gateway is shutting down.');
  }

  /** Shows proxies in between that the connection lives, and cuts off a client that is not there any more. */
  beat(): void {
    if (!this.open) return;
    // What is not read holds back the pongs as well.
    if (!this.#answersPings && !this.#webSocket.isPaused) return this.cutOff();
    this.#answersPings = false;
    this.#webSocket.ping();
  }

  #receive(data: RawData, isBinary: boolean): void {
    if (isBinary) return this.close(UNSUPPORTED_DATA, 'Messages are JSON text.');
    this.#answersPings = true;
    const bytes = bytesOf(data);
    const before = this.#reading;
    if (bytes.length <= LARGE_TEXT && before === undefined) return void this.#handle(bytes.toString('utf8'));
    // In their order: what takes a request back must not overtake it.
    const reading = this.#read(bytes, before);
    this.#reading = reading;
    this.#adjustReading();
    void this.#handle(reading);
    reading
      .catch(() => undefined)
      .finally(() => {
        if (this.#reading !== reading) return;
        this.#reading = undefined;
        this.#adjustReading();
      });
  }

  async #read(bytes: Buffer, before: Promise<unknown> | undefined): Promise<string | LargeBody> {
    await before?.catch(() => undefined);
    if (bytes.length <= LARGE_TEXT) return bytes.toString('utf8');
    using held = this.#front.hold();
    return await scanInTurns(bytes, held.runtime.config.gateway, this.#front.bodies);
  }

  /** One message, from here to its answer. Never rejects. */
  async #handle(reading: string | Promise<string | LargeBody>): Promise<void> {
    const startedAt = performance.now();
    const requestId = randomBytes(8).toString('hex');
    const notes: ExchangeNotes = {};
    using held = this.#front.hold();
    let message: Message | undefined;
    let large: LargeBody | undefined;
    let outcome = 'ok';
    const reply = this.#reply(requestId);
    try {
      const body = typeof reading === 'string' ? reading : await reading;
      if (typeof body !== 'string') large = body;
      const current = this.#authenticate(held.runtime);
      const now = current instanceof Promise ? await current : current;
      if (now === undefined) return this.close(POLICY_VIOLATION, NO_LONGER_VALID);
      message = readMessage(typeof body === 'string' ? body : body.outline);
      // While it was read: what is not in flight yet is not cancelled when the connection ends.
      if (typeof reading !== 'string' && !this.open) throw new GatewayError('cancelled', 'The caller has left.');
      const view = viewsOf(held.runtime).view(now, this.#admitted.route);
      if (this.#session !== undefined && this.#session.view !== view) moveToView(this.#session, view);
      const exchange: Exchange = {
        ...this.#admitted,
        principal: now,
        view,
        requestId,
        runtime: held.runtime,
        session: message.method === 'initialize' ? undefined : this.#session,
        // Protocol version 2026-07-28 knows no WebSocket.
        modern: undefined,
        message,
        reply,
        abort: new Cancellation(),
        notes,
      };
      if (message.kind === 'response') await this.#session?.answer(message);
      else if (message.kind === 'notification') await hearNotification(exchange);
      else outcome = await this.#request(exchange);
    } catch (error) {
      const failure = expected(error, requestId);
      outcome = failure.code;
      if (failure.code === 'internal')
        this.#front.log.error({ err: error, requestId }, 'a request failed through a fault of the gateway');
      await recordDenial(this.#front.recordDenial, failure, () =>
        deniedCall({ ...this.#admitted, requestId, message, notes }),
      );
      // A notification has no answer, and an answer has none either.
      if (message === undefined || message.kind === 'request') reply.fail(failure, message?.id);
    } finally {
      large?.hold[Symbol.dispose]();
      logRequest(this.#front, { ...this.#admitted, requestId, message, notes, outcome, startedAt });
    }
  }

  /** Who it is by now, with the rights of now; undefined when the credential does not count any more. */
  #authenticate({ authenticator }: Runtime): Principal | undefined | Promise<Principal | undefined> {
    const same = (principal: Principal): Principal | undefined =>
      principal.subject === this.#admitted.principal.subject ? principal : undefined;
    try {
      const principal = authenticator.authenticate(this.#opening);
      return principal instanceof Promise ? principal.then(same, () => undefined) : same(principal);
    } catch {
      return undefined;
    }
  }

  async #request(exchange: Exchange): Promise<string> {
    if (this.#front.draining()) throw new GatewayError('shutting_down', 'Gateway is shutting down');
    checkPermission(exchange);
    if (exchange.message.method === 'initialize' && this.#session !== undefined) {
      throw new GatewayError('invalid_request', 'This connection has its session already; open another connection.');
    }
    this.#inFlight.add(exchange);
    this.#adjustReading();
    try {
      return await answerRequest(this.#front, exchange, (session) => this.#opened(session));
    } finally {
      this.#inFlight.delete(exchange);
      this.#adjustReading();
      if (this.#leaving) this.closeWhenIdle();
    }
  }

  #reply(requestId: string): Exchange['reply'] {
    let held: HeldAnswerBytes | undefined;
    const send = (text: string): void => {
      if (held === undefined) this.send(text);
      else this.#sendPieces([Buffer.from(text)], () => this.#onWay.drop(held));
    };
    return {
      open: this.open,
      setHeader: () => undefined,
      hold: (given) => {
        // Of an answer that was no end: another round, another part of a batch.
        this.#onWay.drop(held);
        held = given;
        this.#onWay.add(given);
      },
      accept: () => undefined,
      fail: (error, rpcId) => send(errorText(rpcId, rpcErrorOf(error, requestId))),
      send: (text) => this.send(text),
      answer: send,
      answerPieces: (pieces) => this.#sendPieces(pieces, () => this.#onWay.sent(held)),
      // The client took its request back: there is nothing to say.
      drop: () => this.#onWay.drop(held),
      // The connection has pings of its own.
      keepAlive: () => undefined,
    };
  }

  #opened(session: Session): void {
    this.#session = session;
    if (this.open) session.addStream(this);
    else void this.#front.sessions.end(session);
  }

  #ended(code: number): void {
    const { log, heartbeat, sessions } = this.#front;
    heartbeat.remove(this);
    this.#onWay[Symbol.dispose]();
    for (const exchange of this.#inFlight) exchange.abort.abort(new GatewayError('cancelled', 'The caller has left.'));
    if (this.#session !== undefined) {
      this.#session.removeStream(this);
      void sessions.end(this.#session);
    }
    log.info({ principal: this.#admitted.principal.subject, code }, 'websocket closed');
  }

  /** Back-pressure: who does not take answers, or asks without end, is not listened to for the moment. */
  #adjustReading(): void {
    if (!this.open) return;
    const isBehind = this.#webSocket.bufferedAmount > PAUSE_ABOVE_BYTES;
    if (isBehind !== this.#isBehind) this.#watchReader(isBehind);
    const full = this.#reading !== undefined || this.#inFlight.size >= MAX_IN_FLIGHT || isBehind;
    if (full && !this.#webSocket.isPaused) this.#webSocket.pause();
    else if (!full && this.#webSocket.isPaused) this.#webSocket.resume();
  }

  /** While the connection is paused no pong can come: who reads nothing is told by the socket alone. */
  #watchReader(isBehind: boolean): void {
    this.#isBehind = isBehind;
    this.#opening.socket.setTimeout(isBehind ? STALLED_AFTER_MS : 0);
  }
}

function bytesOf(data: RawData): Buffer {
  if (Buffer.isBuffer(data)) return data;
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
}
