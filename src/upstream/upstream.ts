/** A live conversation with one MCP server, whatever its transport: what the proxy sends requests to. */
import type { Listing, ListingRow } from '../mcp/listing.ts';
import type { JsonObject, Message } from '../mcp/message.ts';
import { ParsedMessage } from '../mcp/parsed-message.ts';
import type { Era } from '../mcp/versions.ts';
import type { HeldAnswerBytes } from '../shared/answer-budget.ts';
import type { CancelSignal } from '../shared/cancellation.ts';
import type { GatewayError } from '../shared/errors.ts';

/** Who is told of the messages that a server sends on its own account. */
export interface UpstreamEvents {
  /**
   * The server asks the client something (sampling, elicitation, roots, …). The answer goes back through `respond`.
   * `call` is the call that it belongs to, where the wire tells.
   */
  onRequest(message: Message, call: PendingCall | undefined): void;
  /** A notification. `call` as above; progress always has one. */
  onNotification(message: Message, call: PendingCall | undefined): void;
  /** The conversation is over: every call in flight has failed already. */
  onClose(reason: Error): void;
  /** A listing has come, with all its pages. */
  onListing?(row: ListingRow, listing: Listing): void;
}

/** One request on its way, seen from the upstream's side. */
export interface PendingCall {
  readonly method: string;
  /** Who sent it, as the caller of `call` said; compared by identity. */
  readonly owner: object;
  /** Takes a message that belongs to this call and must reach its client before the answer does. */
  readonly onMessage: (text: string) => void;
  /** Takes a request of the server that belongs to this call; undefined = the owner of the conversation does. */
  readonly onRequest: ((asker: Asker, message: Message) => void) | undefined;
  /** The least severe log message that the client wants to see; undefined = all, `none` = none. */
  readonly logLevel: string | undefined;
}

/** Whoever asked a client something, and waits for the answer. */
export type Asker = Pick<Upstream, 'server' | 'respond' | 'notify'>;

export interface CallOptions {
  readonly owner: object;
  /** undefined = only `signal` ends the call. */
  readonly timeoutMs: number | undefined;
  readonly signal?: CancelSignal;
  /** Called with notifications and progress of this call, ids and tokens restored to the client's own. */
  readonly onMessage: (text: string) => void;
  readonly onRequest?: (asker: Asker, message: Message) => void;
  /** Headers of the client that pass to the server, by lower-case name: those that the operator lets through, and `Mcp-Param-*` that no schema explains. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly logLevel?: string | undefined;
  /** Subject of the principal on whose behalf the call is made; undefined for calls of the gateway itself. */
  readonly principal?: string;
  /** Who may be given a large answer while it comes; undefined = the answer must be read whole. */
  readonly passTo?: AnswerTaker | undefined;
  /** Who holds on to a large answer that was read whole. */
  readonly keeper?: AnswerKeeper | undefined;
}

export interface AnswerKeeper {
  /** Takes over what the bytes of a large answer take of what may be held, to give it back when the client has the answer, or cannot get it any more. */
  hold(held: HeldAnswerBytes): void;
}

/** Whoever can pass a large answer on, piece by piece. */
export interface AnswerTaker {
  /**
   * Called once at most, when there is such an answer, with its beginning as the server sent it. undefined = it has to be
   * read whole after all.
   */
  passOn?(beginning: Buffer): AnswerSink | undefined;
}

/** The way of one answer to its client. */
export interface AnswerSink {
  /** The next bytes, which nobody may use any more; false = wait until `onReady` has been called before giving more. */
  write(bytes: Buffer): boolean;
  /** The answer is complete with this text. */
  end(last: string): void;
  /** The answer will not become complete: the client must see that. Does nothing after `end`. */
  cut(): void;
  /** Told each time that more can be taken after `write` has said no. */
  onReady: () => void;
  /** Told once when the client has left, or, with a reason, when there is another one for not taking more. */
  onGone: (reason?: GatewayError) => void;
}

/** The answer to a call, whether result or error. */
export interface Answer {
  /** The answer under the id of the request, ready for the client. Of a large one it is made when it is looked at (`message.outline`). */
  readonly text: string;
  /** The client has the answer already (`passTo`): there is nothing left to read. */
  readonly passedOn?: true;
  /** The same as the server sent it, under the id that the call had there: for reading. */
  readonly message: Message;
}

/** What a call resolves with whose answer has gone to `passTo`. */
export const PASSED_ON: Answer = {
  text: '',
  passedOn: true,
  message: new ParsedMessage('', {
    kind: 'response',
    id: undefined,
    method: undefined,
    failed: false,
    value: {},
    members: new Map(),
    params: new Map(),
  }),
};

export interface Upstream {
  readonly era: Era;
  /** The configured name of the server. */
  readonly server: string;
  /** Raw text of the result of `initialize`; of a modern server, what it would be. */
  readonly initializeResult: string;
  readonly capabilities: JsonObject;
  /** The protocol version that was agreed with the server. */
  readonly protocolVersion: string;
  /** Name of the wire in use: `container`, `streamable-http`, `sse`. */
  readonly transport: string;
  /** Every principal that ever made a call. */
  readonly principals: ReadonlySet<string>;
  /** When the server last sent anything, in ms since the epoch. */
  readonly lastReceivedAt: number;
  /** True once the conversation is over. */
  readonly closed: boolean;
  /** The requests in flight. */
  calls(): Iterable<PendingCall>;
  /**
   * Sends a request and resolves with the server's answer.
   * Rejects with a GatewayError: `server_timeout`, `server_unavailable`, `cancelled`, …
   */
  call(message: Message, options: CallOptions): Promise<Answer>;
  /** Sends a notification. */
  notify(text: string): Promise<void>;
  /** Sends the answer to a request of the server. */
  respond(text: string): Promise<void>;
  /** A listing with all its pages; kept until the server says that it has changed. */
  list(row: ListingRow): Promise<Listing>;
  /**
   * A listing that is here, for those who must not wait. Of a server that announces no changes it may be half a minute
   * old, and is renewed meanwhile; undefined when there is none of that kind.
   */
  kept(row: ListingRow): Listing | undefined;
  /** A listing from the server, whatever is kept; what is kept serves others until this one is whole. */
  renew(row: ListingRow): Promise<Listing>;
  /** A listing that may be out of date, to find names by without asking the server each time. */
  known(row: ListingRow): Promise<Listing>;
  /** Makes sure that log messages of this severity are sent, on conversations that have a level. */
  ensureLogLevel(level: string, timeoutMs: number): Promise<void>;
  /** Resolves when the server answers a ping. */
  ping(timeoutMs: number): Promise<void>;
  /** The last lines that the server wrote to stderr. */
  lastWords(): readonly string[];
  close(): Promise<void>;
}
