/** The management API: from a request to its route, its permission, its schemas, and its answer. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isConfined, mayAnywhere } from '../auth/authorize.ts';
import type { Principal } from '../auth/authenticator.ts';
import { GatewayError } from '../shared/errors.ts';
import type { ManagementContext } from './context.ts';
import { Call, DeniedObject, forbidden } from './http/call.ts';
import { IdempotentRequests, type IdempotentRequest } from './http/idempotency.ts';
import { checkedBody, checkedParameters, parsedBody, queryOf } from './http/input.ts';
import { expectedFailure, invalidInput } from './http/problem.ts';
import { respondAnswer, respondHead, respondProblem, respondText } from './http/respond.ts';
import type { Answer, Route } from './http/route.ts';
import { ownedPaths, Router, type Match } from './http/router.ts';

/** How long changes that are being made may go on when the gateway ends. */
const FINISH_TIMEOUT_MS = 5_000;

export interface ManagementRequest {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly requestId: string;
  readonly principal: Principal;
  readonly readBody: (maxBytes: number) => Promise<string>;
}

export class ManagementApi implements AsyncDisposable {
  /** True for the path of a request target, without its query, that belongs to the API. */
  readonly owns: (path: string) => boolean;
  readonly #context: ManagementContext;
  readonly #router: Router;
  readonly #idempotency: IdempotentRequests;
  readonly #stopping = new AbortController();
  readonly #open = new Set<Promise<void>>();

  constructor(routes: readonly Route[], context: ManagementContext) {
    this.owns = ownedPaths(routes);
    this.#context = context;
    this.#router = new Router(routes);
    this.#idempotency = new IdempotentRequests(context.store);
  }

  /** Answers, also when it fails. Rejects only through a fault. */
  async handle(request: ManagementRequest): Promise<void> {
    const work = this.#handle(request);
    const settled = work.catch(() => undefined);
    this.#open.add(settled);
    try {
      await work;
    } finally {
      this.#open.delete(settled);
    }
  }

  refuse(response: ServerResponse, failure: GatewayError, requestId: string): void {
    respondProblem(response, failure, requestId);
  }

  /** Ends streams, and waits for the changes that are being made. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort(new GatewayError('shutting_down', 'The gateway is shutting down.'));
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<void>((resolve) => (timer = setTimeout(resolve, FINISH_TIMEOUT_MS)));
    await Promise.race([Promise.all(this.#open), timeout]);
    clearTimeout(timer);
  }

  async #handle(incoming: ManagementRequest): Promise<void> {
    const { request, response, requestId, principal } = incoming;
    const startedAt = performance.now();
    const { log } = this.#context;
    let action: string | undefined;
    let outcome = 'ok';
    try {
      const target = request.url ?? '';
      const { route, params } = this.#find(request.method ?? '', target, response);
      action = route.action;
      response.setHeader('x-request-id', requestId);
      const answer = await this.#answer(route, params, target, incoming);
      if ('stream' in answer && request.method === 'HEAD') respondHead(response, route.answers[200]?.contentType);
      else if ('stream' in answer) await answer.stream(response);
      else if ('text' in answer) respondText(response, answer);
      else respondAnswer(response, answer, request.headers['if-none-match']);
    } catch (error) {
      const failure = expectedFailure(error, request.method);
      if (failure === undefined) throw error;
      outcome = failure.code;
      this.#context.refused(failure.code);
      await this.#recordDenial(failure, action, incoming);
      if (failure.cause !== undefined) {
        // Not the caller's doing: somebody has to look at it.
        const level = failure.source === 'gateway' ? 'error' : 'info';
        log[level]({ err: failure.cause, requestId }, 'why the request was refused');
      }
      respondProblem(response, failure, requestId);
    } finally {
      const ms = Math.round(performance.now() - startedAt);
      log.info({ requestId, action, subject: principal.subject, outcome, ms }, 'management request');
    }
  }

  #find(method: string, target: string, response: ServerResponse): Extract<Match, { readonly route: Route }> {
    const match = this.#router.match(method, pathOf(target));
    if (match === undefined) {
      throw new GatewayError('not_found', 'The management API has nothing at this path; /v1/openapi.json has it all.');
    }
    if ('route' in match) return match;
    response.setHeader('allow', match.allowed.join(', '));
    throw new GatewayError('method_not_allowed', `This path knows ${match.allowed.join(', ')} and no other method.`);
  }

  async #answer(
    route: Route,
    params: Readonly<Record<string, string>>,
    target: string,
    { request, response, requestId, principal, readBody }: ManagementRequest,
  ): Promise<Answer> {
    // Before anything that the caller has sent is looked at.
    admit(route, principal);
    if (this.#context.phase() === 'draining' && request.method !== 'GET' && request.method !== 'HEAD') {
      throw new GatewayError('shutting_down', 'The gateway is shutting down and changes nothing any more.');
    }
    const text = route.body === undefined ? '' : await bodyText(request, route.body, readBody);
    const checked = {
      params: checkedParameters(route.params, params),
      query: checkedParameters(route.query, queryOf(target)),
      body:
        route.body === undefined || (text === '' && route.body.optional)
          ? undefined
          : checkedBody(route.body.schema, (route.body.normalize ?? same)(parsedBody(text))),
    };
    const asked = `${route.action} ${JSON.stringify(params)} ${target.slice(pathOf(target).length)}`;
    using idempotent = await this.#idempotent(route, request, principal, { target: asked, body: text });
    if (idempotent?.replay !== undefined) return idempotent.replay;
    const gone = new AbortController();
    response.once('close', () => gone.abort(new GatewayError('cancelled', 'The caller closed the connection.')));
    return await route.handle(
      new Call({
        ...checked,
        route,
        context: this.#context,
        principal,
        requestId,
        address: request.socket.remoteAddress,
        headers: request.headers,
        target,
        signal: AbortSignal.any([gone.signal, this.#stopping.signal]),
        idempotent,
      }),
    );
  }

  async #idempotent(
    route: Route,
    { headers, method = '' }: IncomingMessage,
    { subject }: Principal,
    request: { readonly target: string; readonly body: string },
  ): Promise<IdempotentRequest | undefined> {
    const key = headers['idempotency-key'];
    if (key === undefined) return undefined;
    if (route.idempotent) return this.#idempotency.begin({ subject, key: String(key), method, ...request });
    throw invalidInput([
      {
        header: 'Idempotency-Key',
        detail: 'this route cannot remember its answer',
        remedy: 'Leave the header out; the reference says which routes understand it.',
      },
    ]);
  }

  /** Written before the answer is sent. When it cannot be, the request is denied all the same. */
  async #recordDenial(
    failure: GatewayError,
    action: string | undefined,
    { request, requestId, principal }: ManagementRequest,
  ): Promise<void> {
    const denied = failure.cause instanceof DeniedObject ? failure.cause.object : undefined;
    if (failure.code !== 'forbidden' && denied === undefined) return;
    try {
      await this.#context.store.recordDenial({
        actor: { subject: principal.subject, user: principal.user, requestId, address: request.socket.remoteAddress },
        action: action ?? 'unknown',
        object: denied,
        reason: failure.code === 'forbidden' ? failure.message : 'It does not exist for this caller.',
      });
    } catch (error) {
      this.#context.log.error({ err: error, requestId }, 'a denial could not be written into the audit log');
    }
  }
}

/** Throws `forbidden` unless the principal may use the route for anything at all. */
function admit({ requires, forConfinedTokens }: Route, principal: Principal): void {
  if (isConfined(principal) && !forConfinedTokens) {
    throw new GatewayError('forbidden', 'This token is confined to virtual servers and cannot be used here.');
  }
  if ('anybody' in requires || requires.otherwise !== undefined) return;
  if (!mayAnywhere(principal, requires.permission)) throw forbidden(requires.permission);
}

async function bodyText(
  request: IncomingMessage,
  { maxBytes, optional }: NonNullable<Route['body']>,
  readBody: ManagementRequest['readBody'],
): Promise<string> {
  const text = await readBody(maxBytes);
  if (text === '' && optional) return text;
  const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase() ?? '';
  if (!/^application\/([a-z0-9.+-]+\+)?json$/.test(type)) {
    throw new GatewayError('unsupported_media_type', 'The Content-Type must be application/json.');
  }
  return text;
}

function same(body: unknown): unknown {
  return body;
}

function pathOf(target: string): string {
  const query = target.indexOf('?');
  return query === -1 ? target : target.slice(0, query);
}
