/** `subscriptions/listen` of modern clients: relayed where one modern server answers it, gathered from all servers elsewhere. */
import { randomBytes } from 'node:crypto';
import { findSpan, setMember, sliceSpan, splice } from '../mcp/json-text.ts';
import {
  errorText,
  isObject,
  notificationText,
  paramsOf,
  parseMessage,
  requestText,
  responseText,
  spanIn,
  type Json,
  type JsonObject,
  type Message,
} from '../mcp/message.ts';
import { SUBSCRIPTION_ID_KEY } from '../mcp/modern/envelope.ts';
import { LATEST_LEGACY_VERSION } from '../mcp/versions.ts';
import { GatewayError } from '../shared/errors.ts';
import type { Attachment } from '../upstream/attachment.ts';
import type { UpstreamPool } from '../upstream/pool.ts';
import type { Asker } from '../upstream/upstream.ts';
import type { Exchange } from './exchange.ts';
import { isReadable, ownerOf, type OwnedUri } from './resource-owner.ts';
import { differ } from './session-view.ts';
import { solePool, type View } from './view/view.ts';

/** The open subscriptions of a gateway, which it ends in good order when it drains. */
export class OpenSubscriptions {
  readonly #ends = new Map<() => void, Exchange>();

  /** `end` finishes the subscription of this exchange in good order. Throws `too_many_sessions`. */
  add(end: () => void, exchange: Exchange): Disposable {
    const { subject } = exchange.principal;
    const own = [...this.#ends.values()].filter(({ principal }) => principal.subject === subject).length;
    if (this.#ends.size >= MAX_SUBSCRIPTIONS || own >= MAX_PER_PRINCIPAL) {
      throw new GatewayError('too_many_sessions', 'The gateway holds as many subscriptions as it may.');
    }
    this.#ends.set(end, exchange);
    return { [Symbol.dispose]: () => void this.#ends.delete(end) };
  }

  /** Ends those for whom something else exists now than when they began. `viewNow` is undefined where nothing does. */
  endUnless(viewNow: (exchange: Exchange) => View | undefined): void {
    for (const [end, exchange] of this.#ends) {
      const view = viewNow(exchange);
      if (view === undefined || differ(exchange.view, view)) end();
    }
  }

  endAll(): void {
    for (const end of [...this.#ends.keys()]) end();
  }
}

const MAX_SUBSCRIPTIONS = 20_000;
const MAX_PER_PRINCIPAL = 5_000;
const MAX_URIS = 1_000;
const ASK_TIMEOUT_MS = 30_000;
const LISTS = ['tools', 'prompts', 'resources'] as const;

/** Runs a subscription until the client or the gateway ends it; resolves with the final answer. Rejects with a GatewayError. */
export async function listen(open: OpenSubscriptions, exchange: Exchange): Promise<string> {
  if (!exchange.reply.open)
    throw new GatewayError('not_acceptable', 'A subscription needs an Accept header with text/event-stream.');
  const ended = Promise.withResolvers<void>();
  using _registered = open.add(() => ended.resolve(), exchange);
  exchange.abort.signal.addEventListener('abort', () => ended.resolve(), { once: true });
  const pools = [...exchange.view.pools.values()];
  const [pool] = pools;
  const relayed = exchange.route.kind === 'server' && pool !== undefined ? await pool.modern() : undefined;
  if (relayed === undefined || pool === undefined) return await gather(exchange, pools, ended.promise);
  exchange.notes.server = pool.name;
  const leave = new AbortController();
  const answer = relayed.call(await readableOnly(exchange, pool), {
    owner: exchange,
    principal: exchange.principal.subject,
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
async function readableOnly(exchange: Exchange, pool: UpstreamPool): Promise<Message> {
  const { message, view } = exchange;
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

async function gather(exchange: Exchange, pools: readonly UpstreamPool[], ended: Promise<void>): Promise<string> {
  const subscription = new Subscription(exchange);
  try {
    const owned = await subscription.owned();
    const parts = await Promise.all(pools.map((pool) => subscription.join(pool, owned)));
    subscription.acknowledge(parts);
    await ended;
    return lastAnswer(exchange);
  } finally {
    subscription.closed = true;
    await Promise.allSettled(pools.map((pool) => subscription.leave(pool)));
  }
}

function lastAnswer({ message }: Exchange): string {
  const id = message.id ?? 'null';
  return responseText(id, `{"resultType":"complete","_meta":{${JSON.stringify(SUBSCRIPTION_ID_KEY)}:${id}}}`);
}

/** What of a subscription one server will deliver. */
interface Honoured {
  readonly lists: readonly string[];
  readonly uris: readonly string[];
}

/** One client's subscription as the servers see it: like a session that asks for nothing but changes. */
class Subscription implements Attachment {
  readonly sessionId = randomBytes(16).toString('base64url');
  readonly protocolVersion = LATEST_LEGACY_VERSION;
  readonly clientInfo = '{"name":"gatehouse","version":"0"}';
  readonly clientCapabilities = '{}';
  readonly askable = false;
  readonly logLevel = undefined;
  closed = false;
  readonly principal: string;
  readonly #exchange: Exchange;
  readonly #filter: JsonObject;
  readonly #uris = new Map<string, Set<string>>();
  #early: string[] | undefined = [];

  constructor(exchange: Exchange) {
    this.principal = exchange.principal.subject;
    this.#exchange = exchange;
    const { notifications } = paramsOf(exchange.message);
    if (!isObject(notifications)) throw new GatewayError('invalid_params', 'The parameter "notifications" is missing.');
    this.#filter = notifications;
  }

  subscriptions(server: string): Set<string> {
    let uris = this.#uris.get(server);
    if (uris === undefined) this.#uris.set(server, (uris = new Set()));
    return uris;
  }

  /** The URIs that the client wants to hear of, with their servers; what nobody offers is left out. */
  async owned(): Promise<readonly OwnedUri[]> {
    const uris = this.#filter['resourceSubscriptions'];
    const owners = (Array.isArray(uris) ? (uris as readonly Json[]) : []).slice(0, MAX_URIS).map(async (uri) => {
      if (typeof uri !== 'string') return [];
      if (this.#exchange.route.kind === 'server') {
        const pool = solePool(this.#exchange.view);
        return (await isReadable(this.#exchange, pool, uri)) ? [{ pool, uri }] : [];
      }
      return ownerOf(this.#exchange, uri).then(
        (owner) => [owner],
        () => [],
      );
    });
    return (await Promise.all(owners)).flat();
  }

  /** What this server delivers from now on; nothing while it cannot be reached. */
  async join(pool: UpstreamPool, owned: readonly OwnedUri[]): Promise<Honoured> {
    const upstream = (await pool.modern().catch(() => undefined)) ?? (await pool.shared().catch(() => undefined));
    pool.routing.attach(this, true);
    if (upstream === undefined) return { lists: [], uris: [] };
    const lists = LISTS.filter((list) => offers(upstream.capabilities, list, 'listChanged'));
    const wanted = offers(upstream.capabilities, 'resources', 'subscribe')
      ? owned.filter((each) => each.pool === pool)
      : [];
    const before = pool.routing.needs(pool.name).subscriptions;
    const uris: string[] = [];
    for (const { uri } of wanted) {
      const accepted = upstream.era === 'modern' || before.has(uri) || (await tell(pool, 'resources/subscribe', uri));
      if (!accepted) continue;
      this.subscriptions(pool.name).add(uri);
      uris.push(this.#shown(pool.name, uri));
    }
    if (upstream.era === 'modern') pool.syncWatch();
    return { lists: lists.filter((list) => this.#filter[`${list}ListChanged`] === true), uris };
  }

  async leave(pool: UpstreamPool): Promise<void> {
    const mine = this.subscriptions(pool.name);
    await pool.detach(this);
    const others = pool.routing.needs(pool.name).subscriptions;
    const modern = await pool.modern().catch(() => undefined);
    if (modern !== undefined) return;
    for (const uri of mine) if (!others.has(uri)) await tell(pool, 'resources/unsubscribe', uri);
  }

  /** Says first of all what will be delivered; then comes what has happened meanwhile. */
  acknowledge(parts: readonly Honoured[]): void {
    const lists = LISTS.filter((list) => parts.some((part) => part.lists.includes(list)));
    const uris = parts.flatMap((part) => part.uris);
    const honoured = {
      ...Object.fromEntries(lists.map((list) => [`${list}ListChanged`, true])),
      ...(uris.length === 0 ? {} : { resourceSubscriptions: uris }),
    };
    const text = notificationText(
      'notifications/subscriptions/acknowledged',
      JSON.stringify({ notifications: honoured }),
    );
    this.#exchange.reply.send(this.#tagged(parseMessage(text)));
    for (const early of this.#early ?? []) this.#exchange.reply.send(early);
    this.#early = undefined;
  }

  onRequest(asker: Asker, message: Message): void {
    const error = { code: -32601, message: 'A subscription cannot be asked anything.' };
    asker.respond(errorText(message.id, error)).catch(() => undefined);
  }

  onNotification(server: string, message: Message): void {
    const change = this.#wanted(server, message);
    if (change === undefined) return;
    const text = this.#tagged(change);
    if (this.#early === undefined) this.#exchange.reply.send(text);
    else if (this.#early.length < MAX_URIS) this.#early.push(text);
  }

  #wanted(server: string, message: Message): Message | undefined {
    if (message.method === 'notifications/resources/updated') {
      const uri = String(paramsOf(message)['uri']);
      if (!this.subscriptions(server).has(uri)) return undefined;
      const params = JSON.stringify({ ...paramsOf(message), uri: this.#shown(server, uri) });
      return parseMessage(notificationText(message.method, params));
    }
    const list = LISTS.find((each) => message.method === `notifications/${each}/list_changed`);
    return list !== undefined && this.#filter[`${list}ListChanged`] === true ? message : undefined;
  }

  #tagged(message: Message): string {
    const params = message.members.get('params');
    const text = params === undefined ? '{}' : sliceSpan(message.text, params);
    const meta = findSpan(text, ['_meta']);
    const tagged = setMember(
      meta === undefined ? '{}' : sliceSpan(text, meta),
      SUBSCRIPTION_ID_KEY,
      this.#exchange.message.id ?? 'null',
    );
    return setMember(message.text, 'params', setMember(text, '_meta', tagged));
  }

  #shown(server: string, uri: string): string {
    return this.#exchange.view.names.uri(server, uri);
  }
}

function offers(capabilities: JsonObject, name: string, flag: string): boolean {
  const capability = capabilities[name];
  return isObject(capability) && capability[flag] === true;
}

/** Tells a legacy server; false when it refuses. */
async function tell(pool: UpstreamPool, method: string, uri: string): Promise<boolean> {
  try {
    const upstream = await pool.shared();
    const message = parseMessage(requestText('"subscription"', method, JSON.stringify({ uri })));
    const answer = await upstream.call(message, { owner: pool, timeoutMs: ASK_TIMEOUT_MS, onMessage: () => undefined });
    return !answer.message.failed;
  } catch {
    return false;
  }
}
