/** What a guard is: a check or a change on one JSON-RPC message, on its way in or out. */
import type { Message } from '../mcp/message.ts';
import type { ErrorCode } from '../shared/errors.ts';

/** Which exchange a message belongs to. */
export interface GuardContext {
  /** The configured name of the MCP server. */
  readonly server: string;
  /** Method of the request, on the way out too. */
  readonly method: string;
  /** The tool as its server names it; undefined unless the method is `tools/call`. */
  readonly toolName: string | undefined;
  /** Subject of the principal who calls. */
  readonly subject: string;
  /** What a guard keeps for a session it keeps under this key. Requests without a session carry the key of the conversation that they share. */
  readonly sessionId: string;
  /** Raw JSON text of the id that the client gave the request. */
  readonly requestId: string;
}

export type GuardAnswer =
  | { readonly kind: 'pass' }
  /** Go on with this message text instead. It keeps the id of the message that it replaces. */
  | { readonly kind: 'replace'; readonly text: string }
  /** Stop here. The reason is shown to the client: never put a secret in it. */
  | { readonly kind: 'deny'; readonly code: ErrorCode; readonly reason: string };

/** A result that is large, as it came: nobody has made a text or values of it. */
export interface LargeResult {
  /** Its JSON, cut anywhere; not to be changed. */
  readonly pieces: readonly Buffer[];
  readonly bytes: number;
  /** The JSON text of one of its members, when that is short; undefined when it is not, or there is none. */
  member(name: string): string | undefined;
  /** True when a member is an array. */
  isArray(name: string): boolean;
}

/** What a guard says of a large result. */
export type LargeGuardAnswer =
  | Exclude<GuardAnswer, { readonly kind: 'replace' }>
  /** Go on with this result instead, as JSON text. */
  | { readonly kind: 'replace-result'; readonly result: string };

export const PASS: Extract<GuardAnswer, { readonly kind: 'pass' }> = { kind: 'pass' };

/**
 * Guards run in the order of the configuration; the first denial ends the exchange.
 * What a guard throws is a fault of the gateway and fails the request: a guard that cannot tell must deny, not pass.
 */
export interface Guard {
  /** For logs and the audit trail. */
  readonly name: string;
  /** Sees every request before it reaches its server. */
  onRequest?(message: Message, context: GuardContext): Promise<GuardAnswer>;
  /** Sees the one response of a request, result or error, before it reaches the client. */
  onResponse?(message: Message, context: GuardContext): Promise<GuardAnswer>;
  /** The only method whose responses it looks at; undefined = all. */
  readonly method?: string;
  /** Sees large results in place of `onResponse`, where it can: a text of megabytes stalls everybody. */
  onLargeResult?(result: LargeResult, context: GuardContext): Promise<LargeGuardAnswer>;
}
