/** A modern client calls a legacy server: questions of the server become `input_required`, the retry brings the answers. */
import { createHash } from 'node:crypto';
import { isAskable } from '../../mcp/capabilities.ts';
import { findSpan, scanObject, setMember, sliceSpan } from '../../mcp/json-text.ts';
import {
  isObject,
  paramsOf,
  responseText,
  resultText,
  spanIn,
  withId,
  type Json,
  type Message,
} from '../../mcp/message.ts';
import { LEGACY_URL_ELICITATION, modernCode } from '../../mcp/modern/errors.ts';
import {
  inputRequiredText,
  missingCapabilities,
  modernChanges,
  modernPlace,
  modernResult,
} from '../../mcp/modern/results.ts';
import { Sealer } from '../../mcp/sealed.ts';
import { GatewayError } from '../../shared/errors.ts';
import type { UpstreamPool } from '../../upstream/pool.ts';
import type { AnswerTaker } from '../../upstream/upstream.ts';
import type { Exchange, ModernRequest } from '../exchange.ts';
import { largeAnswerIn, type LargeAnswer } from '../large-answer.ts';
import { bridgedTakerOf } from '../passed-answers.ts';
import { passedHeaders } from '../passed-headers.ts';
import { dependsOnCaller } from '../permit.ts';
import type { Target } from '../target.ts';
import { isTaskMethod, requireTasks } from '../task-ids.ts';
import { Callers, type Lease } from './callers.ts';
import { HeldCall, type Progress } from './held-call.ts';
import { PARKED_MS, ParkedCalls } from './parked-calls.ts';

/** Methods whose answer may be a question (2026-07-28, basic/patterns/mrtr). */
const MAY_ASK = new Set(['tools/call', 'prompts/get', 'resources/read']);
/** Methods of the legacy era that modern clients do not have, and those that mean something else there. */
const NOT_MODERN =
  /^(?:initialize|ping|logging\/setLevel|resources\/(?:un)?subscribe|tasks\/.*|server\/discover|subscriptions\/.*)$/;
const PURPOSE = 'requestState';

/** What the bridge remembers between the requests of a client. */
export class ModernBridge implements AsyncDisposable {
  readonly sealer: Sealer;
  readonly callers = new Callers();
  readonly parked = new ParkedCalls<HeldCall>();

  /** `secret`: what other processes seal with, too; default: one of its own. */
  constructor(secret?: Uint8Array) {
    this.sealer = new Sealer(secret);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.parked[Symbol.dispose]();
    await this.callers[Symbol.asyncDispose]();
  }
}

/** The answer for the client, under its own id; undefined when it has been passed on. Rejects with a GatewayError. */
export async function callLegacy(
  bridge: ModernBridge,
  exchange: Exchange,
  modern: ModernRequest,
  target: Target,
): Promise<string | LargeAnswer | undefined> {
  const { message } = target;
  if (isTaskMethod(message.method)) {
    // Legacy servers know no tasks of this kind, so there is none by any id.
    requireTasks(modern.envelope.capabilities);
    throw new GatewayError('invalid_params', 'Unknown task.');
  }
  if (NOT_MODERN.test(message.method ?? '')) {
    throw new GatewayError(
      'method_not_found',
      `The server "${target.pool.name}" does not know "${message.method ?? ''}".`,
    );
  }
  const resumedCall = await resumed(bridge, exchange, target);
  const begin = async (): Promise<readonly [HeldCall, Progress]> => {
    const call = resumedCall ?? (await started(bridge, exchange, modern, target));
    return [call, await call.next(exchange, takerFor(bridge, exchange, target, call))];
  };
  const [held, progress] = await begin().catch((error: unknown) => {
    // The server refused the call because it has forgotten our session: it did nothing, so a second try is safe.
    const forgotten = error instanceof GatewayError && error.code === 'server_session_lost';
    if (resumedCall !== undefined || !forgotten) throw error;
    return begin();
  });
  return progress.kind === 'asked'
    ? park(bridge, exchange, target, held, progress.requests)
    : answered(bridge, exchange, modern, target, progress, held.serverInfo);
}

/** What depends on the caller has to be looked at; calls of tools do not say so in their results. */
function takerFor(
  bridge: ModernBridge,
  exchange: Exchange,
  { pool, message: { method = '' } }: Target,
  call: HeldCall,
): AnswerTaker | undefined {
  if (method !== 'tools/call' && dependsOnCaller(exchange)) return undefined;
  return bridgedTakerOf(exchange, pool, bridge, { result: () => modernPlace(method, call.serverInfo) });
}

async function started(
  bridge: ModernBridge,
  exchange: Exchange,
  modern: ModernRequest,
  { pool, message }: Target,
): Promise<HeldCall> {
  const { envelope } = modern;
  const lease = await conversation(bridge, exchange, modern, pool, message);
  const { upstream } = lease;
  try {
    if (envelope.logLevel !== undefined) await upstream.ensureLogLevel(envelope.logLevel, pool.config.toolTimeoutMs);
  } catch {
    // Without the log messages the call is still worth making.
  }
  return new HeldCall({
    upstream,
    message,
    principal: exchange.principal.subject,
    capabilities: envelope.capabilities,
    headers: passedHeaders(exchange, pool),
    logLevel: envelope.logLevel,
    server: pool.name,
    timeoutMs: pool.config.toolTimeoutMs,
    onEnd: (clean) => lease.release(clean),
  });
}

/** A conversation of its own for a call that may ask its client; else the one that all share. */
async function conversation(
  bridge: ModernBridge,
  exchange: Exchange,
  { envelope }: ModernRequest,
  pool: UpstreamPool,
  message: Message,
): Promise<Lease> {
  const { config } = pool;
  const asks = isAskable(envelope.capabilities) && MAY_ASK.has(message.method ?? '');
  const own = config.kind === 'http' ? asks : config.isolation === 'session' || (asks && config.isolation === 'auto');
  if (!own) return { upstream: await pool.shared(), release: () => undefined };
  const identity = {
    principal: exchange.principal.subject,
    clientInfo: envelope.clientInfo ?? '{"name":"unknown","version":"0"}',
    clientCapabilities: envelope.clientCapabilities,
  };
  return bridge.callers.lease(pool, identity, exchange.abort.signal);
}

function park(
  bridge: ModernBridge,
  exchange: Exchange,
  target: Target,
  held: HeldCall,
  requests: ReadonlyMap<string, string>,
): string {
  try {
    const id = bridge.parked.park(held);
    return inputRequired(bridge, exchange, target, requests, id);
  } catch (error) {
    held.end(new GatewayError('cancelled', 'The call could not be kept.'));
    throw error;
  }
}

function inputRequired(
  { sealer }: ModernBridge,
  { message, principal }: Exchange,
  target: Target,
  requests: ReadonlyMap<string, string>,
  parkedId: string | null,
): string {
  const seal = { purpose: PURPOSE, principal: principal.subject };
  const state = sealer.seal([target.pool.name, digestOf(target.message), parkedId], seal, PARKED_MS);
  return responseText(message.id ?? 'null', inputRequiredText(requests, state));
}

/** The parked call that this request resumes; undefined when it begins a new one. Throws `invalid_params` for a state that is not ours. */
async function resumed(
  { sealer, parked }: ModernBridge,
  exchange: Exchange,
  target: Target,
): Promise<HeldCall | undefined> {
  const { message } = target;
  const { requestState } = paramsOf(message);
  if (requestState === undefined) return undefined;
  const principal = exchange.principal.subject;
  const opened =
    typeof requestState === 'string' ? sealer.open(requestState, { purpose: PURPOSE, principal }) : undefined;
  const [server, digest, id] = Array.isArray(opened) ? (opened as readonly Json[]) : [];
  if (server !== target.pool.name || digest !== digestOf(message)) {
    throw new GatewayError('invalid_params', 'The requestState was not given for this request, or has expired.');
  }
  const responses = responsesOf(message);
  // The server gave up its call to have a URL visited: it is called afresh.
  if (id === null) return undefined;
  const held = parked.take(String(id), principal);
  if (held === undefined) throw new GatewayError('invalid_params', 'The call that the requestState names has ended.');
  await held.deliver(responses);
  return held;
}

/** Raw JSON text of the client's answers by key. Throws `invalid_params` for anything but objects. */
function responsesOf(message: Message): ReadonlyMap<string, string> {
  const { inputResponses } = paramsOf(message);
  if (inputResponses === undefined) return new Map();
  const span = spanIn(message, ['params', 'inputResponses']);
  if (!isObject(inputResponses) || span === undefined || !Object.values(inputResponses).every(isObject))
    throw new GatewayError('invalid_params', 'The parameter "inputResponses" must hold an object for each key.');
  return new Map(
    [...scanObject(message.text, span.start)].map(([key, value]) => [key, sliceSpan(message.text, value)]),
  );
}

function answered(
  bridge: ModernBridge,
  exchange: Exchange,
  { envelope }: ModernRequest,
  target: Target,
  { answer }: Extract<Progress, { kind: 'answered' }>,
  serverInfo: string | undefined,
): string | LargeAnswer | undefined {
  if (answer.passedOn === true) return undefined;
  const id = exchange.message.id ?? 'null';
  const method = target.message.method ?? '';
  const large = largeAnswerIn(answer.message);
  if (large !== undefined && !large.failed) return { ...large, ...modernChanges(method, large.outline, serverInfo) };
  const result = resultText(answer.message);
  if (result !== undefined) return responseText(id, modernResult(method, result, serverInfo));
  const error = answer.message.value['error'];
  const code = isObject(error) && typeof error['code'] === 'number' ? error['code'] : 0;
  const urls = code === LEGACY_URL_ELICITATION ? urlElicitations(answer.message) : undefined;
  if (urls !== undefined && MAY_ASK.has(method)) {
    const missing = missingCapabilities('elicitation/create', { mode: 'url' }, envelope.capabilities);
    if (missing === undefined) return inputRequired(bridge, exchange, target, urls, null);
    const text = 'The server asks its client to visit a URL, which the client did not declare.';
    throw new GatewayError('missing_client_capability', text, {
      server: target.pool.name,
      data: { requiredCapabilities: missing },
    });
  }
  const mapped = modernCode(code, method);
  if (large !== undefined) return { ...large, inner: mapped === code ? {} : { code: String(mapped) } };
  const named = withId(answer.message, id);
  if (mapped === code) return named;
  const span = findSpan(named, ['error']);
  return span === undefined
    ? named
    : setMember(named, 'error', setMember(sliceSpan(named, span), 'code', String(mapped)));
}

/** The URLs of the error with which 2025-11-25 servers ask for a visit, as questions. */
function urlElicitations(message: Message): ReadonlyMap<string, string> | undefined {
  const error = message.value['error'];
  const data = isObject(error) ? error['data'] : undefined;
  const list = isObject(data) ? data['elicitations'] : undefined;
  if (!Array.isArray(list) || list.length === 0) return undefined;
  return new Map(
    (list as readonly Json[]).flatMap((entry, index) => {
      if (!isObject(entry) || typeof entry['url'] !== 'string') return [];
      const { elicitationId: _, ...params } = entry;
      return [
        [
          `elicitation-${index + 1}`,
          JSON.stringify({ method: 'elicitation/create', params: { ...params, mode: 'url' } }),
        ],
      ];
    }),
  );
}

/** What must be the same in a retry: method, name and arguments, whatever the order of their members. */
function digestOf(message: Message): string {
  const { name, uri, arguments: args } = paramsOf(message);
  const subject = [message.method ?? '', name ?? null, uri ?? null, ordered(args ?? null)];
  return createHash('sha256').update(JSON.stringify(subject)).digest('base64url');
}

function ordered(value: Json): Json {
  if (Array.isArray(value)) return (value as readonly Json[]).map(ordered);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .toSorted()
      .map((key) => [key, ordered(value[key] ?? null)]),
  );
}
