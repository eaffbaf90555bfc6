/** The wires that an HTTP server may speak, best first. */
import type { Logger } from 'pino';
import type { HttpServerConfig } from '../../config/config.ts';
import type { GithubOidcTokens } from '../credentials/github-oidc.ts';
import { MAX_MESSAGE_BYTES, type Transport } from '../transport.ts';
import type { Connector } from './connector.ts';
import { Outbound } from './outbound.ts';
import { SseTransport } from './sse-transport.ts';
import { StreamableHttpTransport } from './streamable-http-transport.ts';

export interface HttpTransportDeps {
  /** One for each server, shared by all its conversations, so that they share its connections. */
  readonly connector: Connector;
  /** One for the whole gateway. */
  readonly oidc: GithubOidcTokens;
  readonly log: Logger;
  /** Most bytes that one message of a server may have; default `MAX_MESSAGE_BYTES`. */
  readonly maxMessageBytes?: number;
}

export interface HttpTransportCandidate {
  readonly name: 'streamable-http' | 'sse';
  create(): Transport;
}

/**
 * Try `initialize` over the first; a failure for which `isTransportMismatch` is true moves on to the next. Servers that
 * know nothing but JSON-RPC over POST are served by the first as well.
 */
export function httpTransportCandidates(
  server: HttpServerConfig,
  deps: HttpTransportDeps,
): readonly HttpTransportCandidate[] {
  const { connector, oidc, log, maxMessageBytes = MAX_MESSAGE_BYTES } = deps;
  const outbound = new Outbound({ server, connector, oidc });
  if (outbound.ignoredHeaders.length > 0) {
    log.warn({ headers: outbound.ignoredHeaders }, 'configured headers that the gateway sets itself are not sent');
  }
  const options = { outbound, log, maxMessageBytes };
  return [
    { name: 'streamable-http', create: () => new StreamableHttpTransport(options) },
    { name: 'sse', create: () => new SseTransport(options) },
  ];
}
