/** `subscriptions/listen` of modern clients: relayed where one modern server answers it, gathered from all servers elsewhere. */
import { splice } from '../mcp/json-text.ts';
import { isObject, paramsOf, parseMessage, responseText, spanIn, type Json, type Message } from '../mcp/message.ts';
import { SUBSCRIPTION_ID_KEY } from '../mcp/modern/envelope.ts';
import { GatewayError } from '../shared/errors.ts';
import type { ModernUpstream } from '../upstream/modern-upstream.ts';
import type { UpstreamPool } from '../upstream/pool.ts';
import type { Exchange } from './exchange.ts';
import { GatheredSubscription, listNotices, tagged } from './gathered-subscription.ts';
import type { OpenSubscriptions } from './open-subscriptions.ts';
import { isReadable } from './resource-owner.ts';
import { differ } from './session-view.ts';
import { solePool, type View } from './view/view.ts';

/**
 * Runs a subscription until the client or the gateway ends it; resolves with the final answer. Rejects with a
 * GatewayError. `message` is the request: that of the exchange may be without its text.
 */
export function listen(open: OpenSubscriptions, exchange: Exchange, message: Message): Promise<string> {
  // What is under way here may last for days: it keeps the filter, and not the message.
  return exchange.route.kind === 'server'
    ? listenToOne(open, exchange, message)
    : gather(open, exchange, paramsOf(message)['notifications']);
}

async function listenToOne(open: OpenSubscriptions, exchange: Exchange, message: Message): Promise<string> {
  const ended = endOf(exchange);
  const pool = solePool(exchange.view);
  const upstream = await openedMeanwhile(open, exchange, pool, ended);
  if (upstream === OVER) return lastAnswer(exchange);
  return upstream === undefined
    ? gather(open, exchange, paramsOf(message)['notifications'], ended)
    : relay(open, exchange, message, ended, { pool, upstream });
}

const OVER: unique symbol = Symbol('over');

/** Waits for the server. Whatever ends subscriptions finds this one meanwhile, and what changes its endpoint ends it: the client asks anew. */
async function openedMeanwhile(
  open: OpenSubscriptions,
  exchange: Exchange,
  pool: UpstreamPool,
  ended: PromiseWithResolvers<void>,
): Promise<ModernUpstream | undefined | typeof OVER> {
  const end = (): void => ended.resolve();
  const moveTo = (now: View): void => void (differ(exchange.view, now) && end());
  using _registered = open.add({ exchange, end, moveTo });
  return await Promise.race([pool.modern(), ended.promise.then((): typeof OVER => OVER)]);
}

/** Resolves when the subscription is taken back, and whenever else it is told to. Throws `not_acceptable`. */
function endOf({ reply, abort }: Exchange): PromiseWithResolvers<void> {
  if (!reply.open)
    throw new GatewayError('not_acceptable', 'A subscription needs an Accept header with text/event-stream.');
  const ended = Promise.withResolvers<void>();
  abort.signal.addEventListener('abort', () => ended.resolve(), { once: true });
  return ended;
}

async function relay(
  open: OpenSubscriptions,
  exchange: Exchange,
  message: Message,
  ended: PromiseWithResolvers<void>,
  { pool, upstream }: { readonly pool: UpstreamPool; readonly upstream: ModernUpstream },
): Promise<string> {
  const { view, notes, principal } = exchange;
  const end = (): void => ended.resolve();
  let last = view;
  const wanted = paramsOf(message)['notifications'];
  const filter = isObject(wanted) ? wanted : {};
  using _registered = open.add({
    exchange,
    end,
    moveTo: (now) => {
      const before = last;
      last = now;
      if (!differ(before, now)) return;
      for (const notice of listNotices(filter)) exchange.reply.send(tagged(notice, message.id));
      // What the server was asked to tell cannot be changed: the client asks anew.
      if (filter['resourceSubscriptions'] !== undefined) end();
    },
  });
  notes.server = pool.name;
  const leave = new AbortController();
  const answer = upstream.call(await readableOnly(exchange, message, pool), {
    owner: exchange,
    principal: principal.subject,
    timeoutMs: undefined,
    signal: leave.signal,
    onMessage: (text) => void exchange.reply.send(text),
  });
  try {
    const first = await Promise.race([answer, ended.promise]);
    return first === undefined ? lastAnswer(exchange) : first.text;
  } finally {
    leave.abort();
    answer.catch(() => undefined);
  }
}

/** The request without the resources that the endpoint does not show. */
async function readableOnly(exchange: Exchange, message: Message, pool: UpstreamPool): Promise<Message> {
  const { view } = exchange;
  const { notifications } = paramsOf(message);
  const uris = isObject(notifications) ? notifications['resourceSubscriptions'] : undefined;
  const span = spanIn(message, ['params', 'notifications', 'resourceSubscriptions']);
  if (view.of(pool.name).untouched || !Array.isArray(uris) || span === undefined) return message;
  const checks = (uris as readonly Json[]).map(async (uri) =>
    typeof uri !== 'string' || (await isReadable(exchange, pool, uri)) ? [uri] : [],
  );
  const kept = (await Promise.all(checks)).flat();
  return parseMessage(splice(message.text, [{ span, text: JSON.stringify(kept) }]));
}

async function gather(
  open: OpenSubscriptions,
  exchange: Exchange,
  filter: Json | undefined,
  ended = endOf(exchange),
): Promise<string> {
  const subscription = new GatheredSubscription(exchange, filter, () => ended.resolve());
  using _registered = open.add(subscription);
  try {
    await subscription.begin();
    await ended.promise;
    return lastAnswer(exchange);
  } finally {
    await subscription.leave();
  }
}

function lastAnswer({ message }: Exchange): string {
  const id = message.id ?? 'null';
  return responseText(id, `{"resultType":"complete","_meta":{${JSON.stringify(SUBSCRIPTION_ID_KEY)}:${id}}}`);
}
