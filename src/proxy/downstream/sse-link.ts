/** The HTTP+SSE transport of 2024-11-05 on the side of the clients: one stream down, single messages up. */
import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { errorText } from '../../mcp/message.ts';
import { encodeEvent } from '../../mcp/sse.ts';
import type { HeldAnswerBytes } from '../../shared/answer-budget.ts';
import { GatewayError } from '../../shared/errors.ts';
import type { RequestHead } from '../../shared/request-head.ts';
import type { ClientResponse } from '../client-response.ts';
import type { Admitted } from '../exchange.ts';
import { noSession } from '../foreign-session.ts';
import type { Front } from '../front.ts';
import { rpcErrorOf } from '../respond.ts';
import { routeKey, type Route } from '../route.ts';
import type { Session } from '../session.ts';
import type { ClientLink } from './client-link.ts';
import { EventStream } from './event-stream.ts';
import { HeldOnWay } from './held-on-way.ts';
import type { ReplyChannel } from './reply.ts';
import { TurnoverMap } from '../../shared/turnover.ts';

const MAX_LINKS = 10_000;

/** One client's stream. Its id is the secret with which its messages find it. */
export class SseLink implements ClientLink {
  readonly principal: string;
  readonly routeKey: string;
  readonly #stream: EventStream;
  readonly #onWay = new HeldOnWay();
  #session: Session | undefined;

  constructor(stream: EventStream, { principal, route }: Admitted) {
    this.#stream = stream;
    this.principal = principal.subject;
    this.routeKey = routeKey(route);
  }

  /** undefined before the handshake. */
  get session(): Session | undefined {
    return this.#session;
  }

  /** The handshake has opened a session: everything for it goes down this stream. */
  opened(session: Session): void {
    this.#session = session;
    session.addStream(this.#stream);
  }

  /** The stream is gone. */
  lost(): void {
    this.#onWay[Symbol.dispose]();
  }

  /** What could not be read is the fault of the POST. */
  fail(): boolean {
    return false;
  }

  /** The way back for one posted message: 202 at once, everything else on the stream. */
  reply(response: ClientResponse, requestId: string): ReplyChannel {
    const accept = (): void => {
      if (response.headersSent || response.destroyed) return;
      response.writeHead(202, { 'content-length': 0, 'x-request-id': requestId });
      response.end();
    };
    accept();
    const stream = this.#stream;
    const onWay = this.#onWay;
    let held: HeldAnswerBytes | undefined;
    const send = (text: string): void => {
      if (held === undefined) stream.send(text);
      else stream.sendPieces([Buffer.from(text)], () => onWay.drop(held));
    };
    return {
      get open() {
        return stream.open;
      },
      setHeader: () => undefined,
      hold: (given) => {
        // Of an answer that was no end: another round, another part of a batch.
        onWay.drop(held);
        held = given;
        onWay.add(given);
      },
      send: (text) => stream.send(text),
      answer: send,
      answerPieces: (pieces) => stream.sendPieces(pieces, () => onWay.sent(held)),
      fail: (error, id) => send(errorText(id, rpcErrorOf(error, requestId))),
      keepAlive: () => undefined,
      drop: () => {
        onWay.drop(held);
        accept();
      },
      accept,
    };
  }
}

export class SseLinks {
  readonly #links = new TurnoverMap<string, SseLink>();

  get size(): number {
    return this.#links.size;
  }

  add(link: SseLink): string {
    if (this.#links.size >= MAX_LINKS)
      throw new GatewayError('too_many_sessions', `The gateway already holds ${MAX_LINKS} streams of this kind.`);
    const id = randomBytes(32).toString('base64url');
    this.#links.set(id, link);
    return id;
  }

  delete(id: string): void {
    this.#links.delete(id);
  }

  /** Throws `session_not_found`, the same for missing and for foreign ones. */
  find(request: RequestHead, { principal, route }: Admitted): SseLink {
    const id = new URL(request.url ?? '', 'http://gateway').searchParams.get('sessionId') ?? '';
    const link = this.#links.get(id);
    if (link === undefined || link.principal !== principal.subject || link.routeKey !== routeKey(route))
      throw noSession('There is no such stream; open one with GET first.', link?.principal, principal.subject);
    // As for other sessions: it lives as long as the credential that was used last.
    if (link.session !== undefined) link.session.caller = principal;
    return link;
  }
}

/** GET: opens the stream, and says first where the client is to post its messages. */
export function openSse(front: Front, response: ServerResponse, admitted: Admitted): void {
  if (front.draining()) throw new GatewayError('shutting_down', 'Gateway is shutting down');
  if (response.destroyed) throw new GatewayError('cancelled', 'The caller has left.');
  const stream = new EventStream(response, admitted.requestId);
  const link = new SseLink(stream, admitted);
  const id = front.links.add(link);
  response.write(encodeEvent({ event: 'endpoint', data: `${messagesPath(admitted.route)}?sessionId=${id}` }));
  front.heartbeat.add(stream);
  response.once('close', () => {
    front.heartbeat.remove(stream);
    front.links.delete(id);
    link.lost();
    // The session is the stream: without it nothing can reach the client any more.
    if (link.session !== undefined) void front.sessions.end(link.session);
  });
}

function messagesPath(route: Route): string {
  if (route.kind === 'virtual') return `/servers/${encodeURIComponent(route.id)}/messages`;
  const name = route.kind === 'server' ? route.server : route.kind === 'unified' ? route.group : undefined;
  return name === undefined ? '/messages' : `/mcp/${encodeURIComponent(name)}/messages`;
}
