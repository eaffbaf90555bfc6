/** One `subscriptions/listen` of a modern client that several servers, or legacy ones, deliver together. */
import { randomBytes } from 'node:crypto';
import { findSpan, setMember, sliceSpan } from '../mcp/json-text.ts';
import {
  errorText,
  isObject,
  notificationText,
  paramsOf,
  parseMessage,
  requestText,
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
import type { OpenSubscription } from './open-subscriptions.ts';
import { isReadable, ownerOf, type OwnedUri } from './resource-owner.ts';
import { differ } from './session-view.ts';
import { solePool, type View } from './view/view.ts';

const MAX_URIS = 1_000;
const ASK_TIMEOUT_MS = 30_000;
const NONE: ReadonlySet<string> = new Set();
const LISTS = ['tools', 'prompts', 'resources'] as const;

/** What of a subscription one server will deliver. */
interface Honoured {
  readonly lists: readonly string[];
  readonly uris: readonly string[];
}

/** One client's subscription as the servers see it: like a session that asks for nothing but changes. */
export class GatheredSubscription implements Attachment, OpenSubscription {
  readonly sessionId = randomBytes(16).toString('base64url');
  readonly protocolVersion = LATEST_LEGACY_VERSION;
  readonly clientInfo = '{"name":"gatehouse","version":"0"}';
  readonly clientCapabilities = '{}';
  readonly askable = false;
  readonly logLevel = undefined;
  closed = false;
  readonly principal: string;
  readonly exchange: Exchange;
  readonly end: () => void;
  /** Those that it has joined, by name. */
  #pools: ReadonlyMap<string, UpstreamPool>;
  #view: View;
  readonly #filter: JsonObject;
  /** By server; there only once a resource was asked for. */
  #uris: Map<string, Set<string>> | undefined;
  #early: string[] | undefined = [];

  /** `filter`: the parameter "notifications". Throws `invalid_params`. */
  constructor(exchange: Exchange, filter: Json | undefined, end: () => void) {
    this.principal = exchange.principal.subject;
    this.exchange = exchange;
    this.end = end;
    this.#view = exchange.view;
    this.#pools = exchange.view.pools;
    if (!isObject(filter)) throw new GatewayError('invalid_params', 'The parameter "notifications" is missing.');
    this.#filter = filter;
  }

  subscriptions(server: string): ReadonlySet<string> {
    return this.#uris?.get(server) ?? NONE;
  }

  #hears(server: string, uri: string): void {
    this.#uris ??= new Map();
    const uris = this.#uris.get(server);
    if (uris === undefined) this.#uris.set(server, new Set([uri]));
    else uris.add(uri);
  }

  /** Joins all servers and tells the client what they will deliver. */
  async begin(): Promise<void> {
    const owned = await this.#owned();
    const parts = await Promise.all([...this.#pools.values()].map((pool) => this.#join(pool, owned)));
    this.#acknowledge(parts);
  }

  async leave(): Promise<void> {
    this.closed = true;
    await Promise.allSettled([...this.#pools.values()].map((pool) => this.#leave(pool)));
  }

  moveTo(view: View): void {
    const before = this.#view;
    const joined = this.#pools;
    this.#view = view;
    this.#pools = view.pools;
    // The pools of servers that were changed have taken it over.
    if (!differ(before, view)) return;
    for (const [name, pool] of joined) if (!view.pools.has(name)) void this.#leave(pool).catch(() => undefined);
    for (const [name, pool] of view.pools)
      if (joined.has(name)) void this.#forgetHidden(pool).catch(() => undefined);
      else void this.#join(pool, []).catch(() => undefined);
    for (const notice of listNotices(this.#filter)) this.onNotification('', notice);
  }

  /** Hears no more of resources that were disabled, or taken out of a selection. */
  async #forgetHidden(pool: UpstreamPool): Promise<void> {
    const exchange = { ...this.exchange, view: this.#view };
    for (const uri of this.subscriptions(pool.name)) {
      if (await isReadable(exchange, pool, uri)) continue;
      this.#uris?.get(pool.name)?.delete(uri);
      await this.#unsubscribe(pool, [uri]);
    }
  }

  /** The URIs that the client wants to hear of, with their servers; what nobody offers is left out. */
  async #owned(): Promise<readonly OwnedUri[]> {
    const uris = this.#filter['resourceSubscriptions'];
    const owners = (Array.isArray(uris) ? (uris as readonly Json[]) : []).slice(0, MAX_URIS).map(async (uri) => {
      if (typeof uri !== 'string') return [];
      if (this.exchange.route.kind === 'server') {
        const pool = solePool(this.#view);
        return (await isReadable(this.exchange, pool, uri)) ? [{ pool, uri }] : [];
      }
      return ownerOf(this.exchange, uri).then(
        (owner) => [owner],
        () => [],
      );
    });
    return (await Promise.all(owners)).flat();
  }

  /** What this server delivers from now on; nothing while it cannot be reached. */
  async #join(pool: UpstreamPool, owned: readonly OwnedUri[]): Promise<Honoured> {
    const upstream = (await pool.modern().catch(() => undefined)) ?? (await pool.shared().catch(() => undefined));
    pool.routing.attach(this, true);
    if (upstream === undefined) return { lists: [], uris: [] };
    const lists = LISTS.filter((list) => offers(upstream.capabilities, list, 'listChanged'));
    const wanted = offers(upstream.capabilities, 'resources', 'subscribe')
      ? owned.filter((each) => each.pool === pool)
      : [];
    const promised = lists.filter((list) => this.#filter[`${list}ListChanged`] === true);
    // What all others want is only asked where it matters: there may be thousands of them.
    if (wanted.length === 0) return { lists: promised, uris: [] };
    const before = pool.routing.needs(pool.name).subscriptions;
    const uris: string[] = [];
    for (const { uri } of wanted) {
      const accepted = upstream.era === 'modern' || before.has(uri) || (await tell(pool, 'resources/subscribe', uri));
      if (!accepted) continue;
      this.#hears(pool.name, uri);
      uris.push(this.#shown(pool.name, uri));
    }
    if (upstream.era === 'modern') pool.syncWatch();
    return { lists: promised, uris };
  }

  async #leave(pool: UpstreamPool): Promise<void> {
    const mine = [...this.subscriptions(pool.name)];
    await pool.detach(this);
    await this.#unsubscribe(pool, mine);
  }

  /** What nobody else wants to hear of any more need not be told. */
  async #unsubscribe(pool: UpstreamPool, mine: readonly string[]): Promise<void> {
    if (mine.length === 0) return;
    pool.syncWatch();
    const others = pool.routing.needs(pool.name).subscriptions;
    const modern = await pool.modern().catch(() => undefined);
    if (modern !== undefined) return;
    for (const uri of mine) if (!others.has(uri)) await tell(pool, 'resources/unsubscribe', uri);
  }

  /** Says first of all what will be delivered; then comes what has happened meanwhile. */
  #acknowledge(parts: readonly Honoured[]): void {
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
    this.exchange.reply.send(tagged(parseMessage(text), this.exchange.message.id));
    for (const early of this.#early ?? []) this.exchange.reply.send(early);
    this.#early = undefined;
  }

  onRequest(asker: Asker, message: Message): void {
    const error = { code: -32601, message: 'A subscription cannot be asked anything.' };
    asker.respond(errorText(message.id, error)).catch(() => undefined);
  }

  onNotification(server: string, message: Message): void {
    const change = this.#wanted(server, message);
    if (change === undefined) return;
    const text = tagged(change, this.exchange.message.id);
    if (this.#early === undefined) this.exchange.reply.send(text);
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

  #shown(server: string, uri: string): string {
    return this.#view.names.uri(server, uri);
  }
}

/** The notices that all lists may have changed which a subscription with this filter wants. */
export function listNotices(filter: JsonObject): readonly Message[] {
  return LISTS.filter((list) => filter[`${list}ListChanged`] === true).map((list) =>
    parseMessage(notificationText(`notifications/${list}/list_changed`)),
  );
}

/** A notification, raw JSON text, under the id of the subscription that it belongs to. */
export function tagged(message: Message, id = 'null'): string {
  const params = message.member('params');
  const text = params === undefined ? '{}' : sliceSpan(message.text, params);
  const meta = findSpan(text, ['_meta']);
  const inner = setMember(meta === undefined ? '{}' : sliceSpan(text, meta), SUBSCRIPTION_ID_KEY, id);
  return setMember(message.text, 'params', setMember(text, '_meta', inner));
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
