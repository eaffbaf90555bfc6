/** A legacy client calls a modern server: `input_required` becomes real requests to the client, and a retry with its answers. */
import { randomUUID } from 'node:crypto';
import { setMember } from '../../mcp/json-text.ts';
import {
  isObject,
  outlinedMessage,
  parseMessage,
  rawIn,
  requestText,
  responseText,
  resultText,
  type Json,
  type JsonObject,
  type Message,
} from '../../mcp/message.ts';
import { stampEnvelope } from '../../mcp/modern/envelope.ts';
import { HEADER_MISMATCH } from '../../mcp/modern/errors.ts';
import { withOrigin } from '../../mcp/modern/origin.ts';
import {
  legacyPlace,
  legacyResult,
  missingCapabilities,
  NOT_LEGACY,
  passesAsComplete,
  readInputRequired,
  resultTypeOf,
  type InputRequest,
  type InputRequired,
} from '../../mcp/modern/results.ts';
import { within } from '../../shared/async.ts';
import { GatewayError } from '../../shared/errors.ts';
import type { HeldAnswerBytes } from '../../shared/answer-budget.ts';
import type { ModernUpstream } from '../../upstream/modern-upstream.ts';
import type { Answer, AnswerKeeper } from '../../upstream/upstream.ts';
import type { Exchange } from '../exchange.ts';
import { largeAnswerIn, type LargeAnswer } from '../large-answer.ts';
import { bridgedTakerOf, type Translation } from '../passed-answers.ts';
import { passedHeaders } from '../passed-headers.ts';
import type { Target } from '../target.ts';

const MAX_ROUNDS = 16;
const MAX_QUESTIONS = 64;
/** People answer. */
const ANSWER_MS = 10 * 60_000;

const TO_LEGACY: Translation = { result: legacyPlace, mayPass: passesAsComplete };

/** The answer for the client, under its own id; undefined when it has been passed on. Rejects with a GatewayError. */
export async function callModern(
  exchange: Exchange,
  target: Target,
  upstream: ModernUpstream,
): Promise<string | LargeAnswer | undefined> {
  const id = exchange.message.id ?? 'null';
  let input: { readonly responses: string; readonly asked: InputRequired } | undefined;
  using kept = new Kept(exchange.reply);
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const answer = await send(exchange, target, upstream, input, kept);
    if (answer.passedOn === true) return undefined;
    const large = largeAnswerIn(answer.message);
    const value = answer.message.value['result'];
    const type = isObject(value) ? resultTypeOf(value) : undefined;
    if (type === undefined || type === 'complete') kept.passOn();
    if (type === undefined) return large ?? answer.text;
    if (type === 'complete' && large !== undefined) return { ...large, inner: NOT_LEGACY };
    const result = resultText(answer.message) ?? '{}';
    if (type === 'complete') return responseText(id, legacyResult(result));
    const asked = type === 'input_required' ? readInputRequired(result) : undefined;
    if (asked === undefined)
      throw wrong(target, `it answered with a result of the type "${type.slice(0, 40)}", which its client cannot take`);
    // People answer: until then nobody may pay for what was read.
    kept[Symbol.dispose]();
    input = { asked, responses: await askAll(exchange, target, asked) };
  }
  throw wrong(target, `it still asks for more after ${MAX_ROUNDS} rounds`);
}

/** What a large answer holds, until it is known whether it is the one that the client gets. */
class Kept implements AnswerKeeper, Disposable {
  readonly #next: AnswerKeeper;
  #held: HeldAnswerBytes | undefined;

  constructor(next: AnswerKeeper) {
    this.#next = next;
  }

  hold(held: HeldAnswerBytes): void {
    this[Symbol.dispose]();
    this.#held = held;
  }

  /** It is. */
  passOn(): void {
    if (this.#held !== undefined) this.#next.hold(this.#held);
    this.#held = undefined;
  }

  [Symbol.dispose](): void {
    this.#held?.[Symbol.dispose]();
    this.#held = undefined;
  }
}

async function send(
  exchange: Exchange,
  target: Target,
  upstream: ModernUpstream,
  input: { readonly responses: string; readonly asked: InputRequired } | undefined,
  keeper: Kept,
): Promise<Answer> {
  const message = requestOf(exchange, target.message, input);
  const headers = passedHeaders(exchange, target.pool);
  const options = {
    owner: exchange,
    principal: exchange.principal.subject,
    timeoutMs: target.pool.config.toolTimeoutMs,
    signal: exchange.abort.signal,
    keeper,
    onMessage: (text: string) => void exchange.reply.send(text),
    logLevel: exchange.session?.logLevel,
    passTo: bridgedTakerOf(exchange, target.pool, undefined, TO_LEGACY),
    ...(headers && { headers }),
  };
  const answer = await upstream.call(message, options);
  const error = answer.message.value['error'];
  if (!isObject(error) || error['code'] !== HEADER_MISMATCH) return answer;
  // The schema that the headers were made from is out of date; the server has refused the call and done nothing.
  upstream.refresh();
  return upstream.call(message, options);
}

function requestOf(
  { session }: Exchange,
  message: Message,
  input: { readonly responses: string; readonly asked: InputRequired } | undefined,
): Message {
  const stamped = stampEnvelope(message, {
    clientInfo: session?.clientInfo ?? '{"name":"unknown","version":"0"}',
    clientCapabilities: session?.clientCapabilities ?? '{}',
    logLevel: session?.logLevel,
  });
  if (input === undefined) return stamped;
  const { requestState } = input.asked;
  const answers = { inputResponses: input.responses, ...(requestState !== undefined && { requestState }) };
  const { outline } = stamped;
  if (outline?.innerOf === 'params') return outlinedMessage(outline.with({ inner: answers }));
  let params = rawIn(stamped, ['params']) ?? '{}';
  for (const [name, value] of Object.entries(answers)) params = setMember(params, name, value);
  return parseMessage(setMember(stamped.text, 'params', params));
}

/** Puts every question to the client; raw JSON text of the answers by key. */
async function askAll(exchange: Exchange, target: Target, { requests }: InputRequired): Promise<string> {
  if (requests.length > MAX_QUESTIONS) throw wrong(target, `it asks ${requests.length} things at once`);
  const answers = await Promise.all(
    requests.map(async (request) => `${JSON.stringify(request.key)}:${await ask(exchange, target, request)}`),
  );
  return `{${answers.join(',')}}`;
}

async function ask(exchange: Exchange, target: Target, { method, params }: InputRequest): Promise<string> {
  const { session } = exchange;
  const declared = JSON.parse(session?.clientCapabilities ?? '{}') as JsonObject;
  const missing = missingCapabilities(method, JSON.parse(params) as Json, declared);
  if (session === undefined || missing !== undefined) {
    throw new GatewayError(
      'missing_client_capability',
      `The server asks the client for "${method}", which the client ${session === undefined ? 'cannot answer without a session' : 'did not declare'}.`,
      { server: target.pool.name, data: { requiredCapabilities: missing ?? {} } },
    );
  }
  const { promise, resolve, reject } = Promise.withResolvers<Message>();
  const onAbort = (): void => reject(new GatewayError('cancelled', 'The request was cancelled.'));
  exchange.abort.signal.addEventListener('abort', onAbort, { once: true });
  const call = { method, owner: exchange, onMessage: () => undefined, onRequest: undefined, logLevel: undefined };
  const question = parseMessage(requestText('0', method, legacyParams(exchange, target, method, params)));
  const asker = {
    server: target.pool.name,
    respond: (text: string) => Promise.resolve(resolve(parseMessage(text))),
    notify: () => Promise.resolve(),
  };
  session.onRequest(asker, question, call);
  try {
    return answerOf(await within(promise, ANSWER_MS), method, target);
  } catch (error) {
    if (error instanceof GatewayError) throw error;
    throw new GatewayError('cancelled', `The client did not answer "${method}" in time.`, { cause: error });
  } finally {
    exchange.abort.signal.removeEventListener('abort', onAbort);
  }
}

/** The question as a legacy client knows it: a URL has an id there, and on the unified endpoint it says who asks. */
function legacyParams({ route }: Exchange, { pool }: Target, method: string, params: string): string {
  let text = params;
  const value = JSON.parse(params) as JsonObject;
  if (method === 'elicitation/create' && value['mode'] === 'url' && value['elicitationId'] === undefined)
    text = setMember(text, 'elicitationId', JSON.stringify(randomUUID()));
  return route.kind === 'server' ? text : withOrigin(text, pool.name);
}

/** The bare result; a client that fails at a form has not filled it in. */
function answerOf(answer: Message, method: string, { pool }: Target): string {
  const result = resultText(answer);
  if (result !== undefined) return legacyResult(result);
  if (method === 'elicitation/create') return '{"action":"cancel"}';
  const error = answer.value['error'];
  const said = isObject(error) ? String(error['message']) : 'no result';
  throw new GatewayError('invalid_params', `The client refused "${method}" of the server: ${said}`, {
    server: pool.name,
  });
}

function wrong({ pool }: Target, detail: string): GatewayError {
  return new GatewayError('server_protocol_error', `The MCP server "${pool.name}" broke the protocol: ${detail}.`, {
    server: pool.name,
    detail,
  });
}
