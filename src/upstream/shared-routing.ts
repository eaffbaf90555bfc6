/** Decides which sessions hear what a server says on a conversation that they share. */
import { isWanted, LOG_LEVELS } from '../mcp/log-levels.ts';
import { isObject, notificationText, paramsOf, parseMessage, type JsonObject, type Message } from '../mcp/message.ts';
import type { Attachment } from './attachment.ts';
import type { PendingCall } from './upstream.ts';

export class SharedRouting {
  readonly #attachments = new Set<Attachment>();

  attach(attachment: Attachment): void {
    this.#attachments.add(attachment);
  }

  detach(attachment: Attachment): void {
    this.#attachments.delete(attachment);
  }

  /** Level and subscriptions that serve all sessions of the conversation together. */
  needs(server: string): { readonly logLevel: string | undefined; readonly subscriptions: ReadonlySet<string> } {
    const levels = [...this.#attachments].flatMap(({ logLevel }) => (logLevel === undefined ? [] : [logLevel]));
    const logLevel = LOG_LEVELS.find((level) => levels.includes(level));
    const subscriptions = new Set<string>();
    for (const attachment of this.#attachments) {
      for (const uri of attachment.subscriptions(server)) subscriptions.add(uri);
    }
    return { logLevel, subscriptions };
  }

  /** Passes a notification on: to the call it belongs to, to those who asked for it, or to nobody rather than to the wrong one. */
  deliver(server: string, message: Message, call: PendingCall | undefined, calls: Iterable<PendingCall>): void {
    const { method } = message;
    if (method?.endsWith('/list_changed') === true) return this.#tellAll(server, message);
    if (method === 'notifications/resources/updated') return this.#tellSubscribers(server, message);
    const owner = call ?? soleCall(calls);
    if (owner === 'several' || owner === undefined) return this.#tellIfAlike(server, message);
    if (passesLevel(message, owner.logLevel)) owner.onMessage(message.text);
  }

  /** After a conversation was opened anew its lists may differ from those that the clients have. */
  announceLists(server: string, capabilities: JsonObject): void {
    for (const list of ['tools', 'prompts', 'resources'] as const) {
      if (isObject(capabilities[list]))
        this.#tellAll(server, parseMessage(notificationText(`notifications/${list}/list_changed`)));
    }
  }

  #tellAll(server: string, message: Message): void {
    for (const attachment of this.#attachments) attachment.onNotification(server, message);
  }

  #tellSubscribers(server: string, message: Message): void {
    const uri = paramsOf(message)['uri'];
    if (typeof uri !== 'string') return;
    for (const attachment of this.#attachments) {
      if (attachment.subscriptions(server).has(uri)) attachment.onNotification(server, message);
    }
  }

  /** A message whose call is unknown may hold what one principal must not learn of another. */
  #tellIfAlike(server: string, message: Message): void {
    const principals = new Set([...this.#attachments].map(({ principal }) => principal));
    if (principals.size !== 1) return;
    for (const attachment of this.#attachments) {
      if (passesLevel(message, attachment.logLevel)) attachment.onNotification(server, message);
    }
  }
}

function soleCall(calls: Iterable<PendingCall>): PendingCall | 'several' | undefined {
  let sole: PendingCall | undefined;
  for (const call of calls) {
    if (call.method === 'ping' || call.method === 'subscriptions/listen') continue;
    if (sole !== undefined && sole.owner !== call.owner) return 'several';
    sole = call;
  }
  return sole;
}

/** Log messages below the level that the client asked for do not reach it. */
export function passesLevel(message: Message, wanted: string | undefined): boolean {
  return message.method !== 'notifications/message' || isWanted(paramsOf(message)['level'], wanted);
}
