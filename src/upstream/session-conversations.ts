/** The conversations that single sessions have with a server, each with what its own client declared. */
import type { Message } from '../mcp/message.ts';
import { GatewayError } from '../shared/errors.ts';
import type { Attachment } from './attachment.ts';
import type { LegacyUpstream } from './legacy-upstream.ts';
import { openConversation, replay, type ServerWires } from './open-conversation.ts';
import { passesLevel } from './shared-routing.ts';
import type { PendingCall, UpstreamEvents } from './upstream.ts';
import { TurnoverMap } from '../shared/turnover.ts';

interface Conversation {
  readonly opening: Promise<LegacyUpstream>;
  /** Ends the opening. */
  readonly abort: AbortController;
  upstream: LegacyUpstream | undefined;
}

/** Most containers of one server that belong to single sessions. */
const MOST_CONTAINERS = 100;

export class SessionConversations implements AsyncDisposable {
  readonly #wires: ServerWires;
  readonly #stopping: AbortSignal;
  readonly #conversations = new TurnoverMap<Attachment, Conversation>();

  constructor(wires: ServerWires, stopping: AbortSignal) {
    this.#wires = wires;
    this.#stopping = stopping;
  }

  /** The conversations that are open. */
  get open(): readonly LegacyUpstream[] {
    return [...this.#conversations.values()].flatMap(({ upstream }) => (upstream === undefined ? [] : [upstream]));
  }

  /** The conversation of a session if it is open. */
  present(attachment: Attachment): LegacyUpstream | undefined {
    return this.#conversations.get(attachment)?.upstream;
  }

  /** The conversation of a session, opened when there is none. Rejects with a GatewayError; the next call tries again. */
  get(attachment: Attachment): Promise<LegacyUpstream> {
    const kept = this.#conversations.get(attachment);
    if (kept !== undefined) return kept.opening;
    if (this.#conversations.size >= this.#most) return Promise.reject(this.#tooMany());
    const abort = new AbortController();
    const conversation: Conversation = { opening: this.#open(attachment, abort.signal), abort, upstream: undefined };
    this.#conversations.set(attachment, conversation);
    conversation.opening.then(
      (upstream) => (conversation.upstream = upstream),
      () => this.#forget(attachment, conversation),
    );
    return conversation.opening;
  }

  /** The session is over: its conversation ends with it. */
  async end(attachment: Attachment): Promise<void> {
    const conversation = this.#conversations.get(attachment);
    if (conversation === undefined) return;
    this.#conversations.delete(attachment);
    conversation.abort.abort(new GatewayError('cancelled', 'The session has ended.'));
    const upstream = await conversation.opening.catch(() => undefined);
    await upstream?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#conversations].map(([attachment]) => this.end(attachment)));
  }

  async #open(attachment: Attachment, ended: AbortSignal): Promise<LegacyUpstream> {
    const { config, log } = this.#wires;
    const made: { upstream?: LegacyUpstream } = {};
    const opened: { upstream?: LegacyUpstream } = {};
    // On a wire that does not tell, a message belongs to the call that began last: all calls are of one client.
    const lastCall = (): PendingCall | undefined => [...(made.upstream?.calls() ?? [])].at(-1);
    const events: UpstreamEvents = {
      onRequest: (message, call) => {
        if (made.upstream === undefined) return;
        const related = call ?? lastCall();
        if (related?.onRequest !== undefined) related.onRequest(made.upstream, message);
        else attachment.onRequest(made.upstream, message, related);
      },
      onNotification: (message, call) => {
        const last = call ?? lastCall();
        // A call that takes questions itself is also told when the server takes them back.
        const withdrawn = message.method === 'notifications/cancelled' && last?.onRequest !== undefined;
        const related = concernsNoCall(message) && !withdrawn ? undefined : last;
        if (related === undefined) attachment.onNotification(config.name, message);
        else if (passesLevel(message, related.logLevel)) related.onMessage(message.text);
      },
      onClose: (reason) => {
        const session = attachment.sessionId.slice(0, 8);
        log.warn({ err: reason, session }, 'the server ended the conversation of a session');
        // Also while it is still being opened: `opening` then resolves with a conversation that is over.
        if (opened.upstream === made.upstream) this.#forget(attachment, this.#conversations.get(attachment));
      },
    };
    const upstream = await openConversation(this.#wires, {
      events,
      identity: attachment,
      signal: AbortSignal.any([this.#stopping, ended]),
      onMade: (candidate) => (made.upstream = candidate),
    });
    opened.upstream = upstream;
    await replay(upstream, attachment.logLevel, attachment.subscriptions(config.name), log);
    if (!upstream.closed) return upstream;
    const detail = 'The server ended the conversation while it was being opened.';
    throw new GatewayError('server_unavailable', detail, { server: config.name, detail });
  }

  /** Each conversation with a container is a container; a client must not fill the machine with them. */
  get #most(): number {
    return this.#wires.config.kind === 'container' ? MOST_CONTAINERS : Number.POSITIVE_INFINITY;
  }

  #tooMany(): GatewayError {
    const { name } = this.#wires.config;
    const detail = `The server already runs ${MOST_CONTAINERS} containers for single sessions; try again when one has ended.`;
    return new GatewayError('server_unavailable', detail, { server: name, detail });
  }

  #forget(attachment: Attachment, conversation: Conversation | undefined): void {
    if (conversation !== undefined && this.#conversations.get(attachment) === conversation) {
      this.#conversations.delete(attachment);
    }
  }
}

/** Notices about the server itself travel on the client's standing stream, never on the stream of a call. */
function concernsNoCall({ method }: Message): boolean {
  if (method === 'notifications/resources/updated' || method?.endsWith('/list_changed') === true) return true;
  // The session knows which question it is, and under which id the client knows it.
  return method === 'notifications/cancelled';
}
