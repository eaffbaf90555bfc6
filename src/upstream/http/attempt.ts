/** One request on its way to one place, and on to the next where the server sends it on. */
import type { AnswerBody } from './answer-body.ts';
import type { Reply, ReplyHandler } from './calls/call-connection.ts';
import type { ReplyHead } from './calls/reply-parser.ts';
import type { Connector, OutboundRequest, OutboundResponse, ResponseHandler } from './connector.ts';
import { discard } from './discard.ts';

const MAX_REDIRECTS = 5;

/** The server sent the request to another place, and it must not go there. */
export class RedirectRefusedError extends Error {
  override readonly name = 'RedirectRefusedError';
}

/** A class, because closures for each call cost more. */
export class Attempt implements ReplyHandler, ResponseHandler {
  readonly #connector: Connector;
  readonly #url: URL;
  readonly #request: OutboundRequest;
  readonly #handler: ResponseHandler;
  readonly #redirects: number;

  constructor(connector: Connector, url: URL, request: OutboundRequest, handler: ResponseHandler, redirects: number) {
    this.#connector = connector;
    this.#url = url;
    this.#request = request;
    this.#handler = handler;
    this.#redirects = redirects;
  }

  begin(): void {
    try {
      this.#connector.attempt(this.#url, this.#request, this);
    } catch (error) {
      this.onError(error);
    }
  }

  onReply({ head, body }: Reply): void {
    this.onResponse(new CallResponse(head, body));
  }

  onResponse(answer: OutboundResponse): void {
    const { status } = answer;
    if (status >= 300 && status < 400 && status !== 304 && this.#request.redirect !== 'manual') this.#follow(answer);
    else this.#handler.onResponse(answer);
  }

  onError(error: unknown): void {
    this.#handler.onError(error);
  }

  #follow(answer: OutboundResponse): void {
    discard(answer.body);
    let target: URL;
    try {
      target = redirectTarget(this.#url, answer, this.#redirects);
    } catch (error) {
      return this.onError(error);
    }
    new Attempt(this.#connector, target, this.#request, this.#handler, this.#redirects + 1).begin();
  }
}

class CallResponse implements OutboundResponse {
  readonly status: number;
  readonly body: AnswerBody;
  readonly #headers: ReplyHead['headers'];

  constructor({ status, headers }: ReplyHead, body: AnswerBody) {
    this.status = status;
    this.body = body;
    this.#headers = headers;
  }

  header(name: string): string | undefined {
    return this.#headers.get(name);
  }
}

function redirectTarget(from: URL, answer: OutboundResponse, redirects: number): URL {
  const { status } = answer;
  const location = answer.header('location');
  if (location === undefined || !URL.canParse(location, from)) {
    throw new RedirectRefusedError(`the server answered HTTP ${status} without a usable Location`);
  }
  const to = new URL(location, from);
  if (to.origin !== from.origin) {
    throw new RedirectRefusedError(
      `the server redirects to another origin, ${to.origin}, which is not followed; put the final URL into the configuration`,
    );
  }
  if (status !== 307 && status !== 308) {
    throw new RedirectRefusedError(
      `the server redirects with HTTP ${status} to ${to.pathname}, which would change the request; put the final URL into the configuration`,
    );
  }
  if (redirects >= MAX_REDIRECTS)
    throw new RedirectRefusedError(`the server redirects more than ${MAX_REDIRECTS} times`);
  return to;
}
