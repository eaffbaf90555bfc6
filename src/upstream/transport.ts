/** The wire to one MCP server: it carries whole JSON-RPC messages and knows nothing of their meaning. */
import type { CancelSignal } from '../shared/cancellation.ts';
import type { GatewayError } from '../shared/errors.ts';
import type { Received } from '../mcp/large-message.ts';
import type { AnswerSink } from './upstream.ts';

/** Larger answers are passed on while they come, where that is possible, in bytes. */
export const LARGE_ANSWER_BYTES = 64 * 1024;

/** Most bytes that one message of a server may have, on every wire: it must fit into memory many times over. */
export const MAX_MESSAGE_BYTES = 32 * 1024 * 1024;

/** What a transport tells its owner. Callbacks never throw. */
export interface TransportEvents {
  /**
   * A whole JSON-RPC message, without a trailing newline.
   * `requestId` is the raw JSON text of the id of the request on whose own stream it came (HTTP);
   * undefined where the wire cannot tell (stdio, the GET stream).
   */
  onMessage(message: Received, requestId: string | undefined): void;
  /** A message was longer than `MAX_MESSAGE_BYTES` and is lost; on this wire nobody can tell what it answered. */
  onDropped?(): void;
  /** There was no room for what seems to be the response to the request with this id, and it is lost. For wires that carry the answers of many. */
  onRefused?(requestId: string, error: GatewayError): void;
  /** The wire is gone for good; every request in flight has failed for this reason. Called once, never after `close()`. */
  onClose(reason: GatewayError): void;
}

export interface SendOptions {
  /** Raw JSON text of the id when the message is a request; undefined for notifications and responses. */
  readonly requestId?: string;
  /** Ends the delivery of this request: closes its HTTP stream. Does not send `notifications/cancelled`. */
  readonly signal?: CancelSignal;
  /** Further headers, by lower-case name, for wires that have headers. */
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * For wires that can pass on an answer of more than `LARGE_ANSWER_BYTES` while it comes: asked once at most, when it
   * has begun, with its beginning. It is not told to `onMessage` then. undefined = it has to be.
   */
  readonly onLargeAnswer?: (beginning: Buffer) => LargeAnswerWay | undefined;
}

/** A message as it is sent: as text, or as pieces of its UTF-8, cut between characters. */
export type MessageText = string | readonly Buffer[];

export function textOfMessage(text: MessageText): string {
  return typeof text === 'string' ? text : Buffer.concat(text).toString('utf8');
}

export interface LargeAnswerWay {
  /** Raw JSON text of the id that the answer is to have. */
  readonly id: string;
  readonly sink: AnswerSink;
}

export interface Transport {
  /** Opens the wire (starts the container, connects the socket). Rejects with a GatewayError. */
  open(events: TransportEvents, signal: AbortSignal): Promise<void>;
  /**
   * Sends one message. Resolves when the wire has taken it; answers arrive through `onMessage`.
   * Rejects with a GatewayError when it could not be delivered: for a request that means that no answer will come.
   */
  send(text: MessageText, options?: SendOptions): Promise<void>;
  /** Told once after the handshake, for wires that repeat the version with every message. */
  setProtocolVersion(version: string): void;
  /** True while messages that answer no request can arrive: where a standing stream is needed for them, it is open. */
  readonly listening: boolean;
  /**
   * Opens the standalone stream for server messages, where the wire has one (GET of streamable HTTP). Resolves when it
   * stands, or when there is none, or when that takes long: what the server says before it stands is lost. Never rejects.
   */
  listen?(): Promise<void>;
  /** Ends the conversation in good order (DELETE, stdin closed, SIGTERM, SIGKILL) within its own deadlines. Never rejects. */
  close(): Promise<void>;
  /** The last lines that the server wrote to stderr, oldest first; empty where there is no stderr. */
  lastWords(): readonly string[];
}
