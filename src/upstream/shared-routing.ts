/** Decides which sessions hear what a server says on a conversation that they share. */
import { isWanted, LOG_LEVELS } from '../mcp/log-levels.ts';
import { isObject, notificationText, paramsOf, parseMessage, type JsonObject, type Message } from '../mcp/message.ts';
import { TurnoverSet } from '../shared/turnover.ts';
import type { Attachment } from './attachment.ts';
import type { PendingCall, Upstream } from './upstream.ts';

export class SharedRouting {
  /** Sessions that use the server at all: its lists concern them. */
  readonly #audience = new TurnoverSet<Attachment>();
  /** Those of them that speak on the shared conversation. */
  readonly #speakers = new TurnoverSet<Attachment>();
  readonly #hearsForItself: (attachment: Attachment) => boolean;

  /** `hearsForItself` is true for a session that has an open conversation of its own with the server. */
  constructor(hearsForItself: (attachment: Attachment) => boolean) {
    this.#hearsForItself = hearsForItself;
  }

  /** The sessions that are to hear of the server. */
  get attached(): readonly Attachment[] {
    return [...this.#audience];
  }

  has(attachment: Attachment): boolean {
    return this.#audience.has(attachment);
  }

  attach(attachment: Attachment, speaks: boolean): void {
    this.#audience.add(attachment);
    if (speaks) this.#speakers.add(attachment);
  }

  detach(attachment: Attachment): void {
    this.#audience.delete(attachment);
    this.#speakers.delete(attachment);
  }

  /** Level and subscriptions that serve all sessions of the conversation together. */
  needs(server: string): { readonly logLevel: string | undefined; readonly subscriptions: ReadonlySet<string> } {
    const levels = [...this.#speakers].flatMap(({ logLevel }) => (logLevel === undefined ? [] : [logLevel]));
    const logLevel = LOG_LEVELS.find((level) => levels.includes(level));
    const subscriptions = new Set<string>();
    for (const attachment of this.#speakers) {
      for (const uri of attachment.subscriptions(server)) subscriptions.add(uri);
    }
    return { logLevel, subscriptions };
  }

  /** Passes a notification on: to the call it belongs to, to those who asked for it, or to nobody rather than to the wrong one. */
  deliver(upstream: Upstream, message: Message, call: PendingCall | undefined): void {
    const { method } = message;
    // Nobody can be asked anything on this conversation, so there is no question to take back.
    if (method === 'notifications/cancelled') return;
    if (method?.endsWith('/list_changed') === true) this.#tellAudience(upstream.server, message);
    else if (method === 'notifications/resources/updated') this.#tellSubscribers(upstream.server, message);
    else if (call !== undefined) tellCaller(call, message);
    else this.#tellPrincipal(upstream, message);
  }

  /** After a conversation was opened anew its lists may differ from those that the clients have. */
  announceLists(server: string, capabilities: JsonObject): void {
    for (const list of ['tools', 'prompts', 'resources'] as const) {
      if (!isObject(capabilities[list])) continue;
      this.#tellAudience(server, parseMessage(notificationText(`notifications/${list}/list_changed`)));
    }
  }

  #tellAudience(server: string, message: Message): void {
    for (const attachment of this.#audience) {
      if (this.#speakers.has(attachment) || !this.#hearsForItself(attachment))
        attachment.onNotification(server, message);
    }
  }

  #tellSubscribers(server: string, message: Message): void {
    const uri = paramsOf(message)['uri'];
    if (typeof uri !== 'string') return;
    for (const attachment of this.#speakers) {
      if (attachment.subscriptions(server).has(uri)) attachment.onNotification(server, message);
    }
  }

  /**
   * A message whose call is unknown may be late, and hold what one principal must not learn of another: it is passed
   * on only while a single principal has ever used the conversation.
   */
  #tellPrincipal(upstream: Upstream, message: Message): void {
    if (upstream.principals.size > 1) return;
    const call = soleCall(upstream.calls());
    if (call !== undefined) {
      tellCaller(call, message);
      return;
    }
    for (const attachment of this.#speakers) {
      if (!passesLevel(message, attachment.logLevel)) continue;
      if (upstream.principals.size === 0 || upstream.principals.has(attachment.principal)) {
        attachment.onNotification(upstream.server, message);
      }
    }
  }
}

function tellCaller(call: PendingCall, message: Message): void {
  if (passesLevel(message, call.logLevel)) call.onMessage(message.text);
}

/** The one caller who waits for an answer, if there is only one. */
function soleCall(calls: Iterable<PendingCall>): PendingCall | undefined {
  let sole: PendingCall | undefined;
  for (const call of calls) {
    if (call.method === 'ping' || call.method === 'subscriptions/listen') continue;
    if (sole !== undefined && sole.owner !== call.owner) return undefined;
    sole = call;
  }
  return sole;
}

/** Log messages below the level that the client asked for do not reach it. */
export function passesLevel(message: Message, wanted: string | undefined): boolean {
  return (
    message.method !== 'notifications/message' ||
    isWanted(wanted === undefined ? undefined : message.parameter('level'), wanted)
  );
}
