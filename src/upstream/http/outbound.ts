/** Sends requests to one server with everything that each of them needs: configured headers, credentials, and errors in plain words. */
import type { HttpServerConfig } from '../../config/config.ts';
import type { GatewayError } from '../../shared/errors.ts';
import type { GithubOidcTokens } from '../credentials/github-oidc.ts';
import { discard, type Connector, type OutboundRequest, type OutboundResponse } from './connector.ts';
import { networkError, peerError } from './http-errors.ts';
import { nativeSignal } from '../../shared/cancellation.ts';
import { configuredHeaders, type ConfiguredHeaders } from './request-headers.ts';

export type PeerRequest = Omit<OutboundRequest, 'url'> & {
  /** undefined = the URL of the server. */
  readonly url?: URL;
};

export interface OutboundOptions {
  readonly server: HttpServerConfig;
  readonly connector: Connector;
  readonly oidc: GithubOidcTokens;
}

export class Outbound {
  readonly server: string;
  readonly url: URL;
  /** Names of configured headers that are not sent. */
  readonly ignoredHeaders: readonly string[];
  readonly #options: OutboundOptions;
  readonly #configured: ConfiguredHeaders;

  constructor(options: OutboundOptions) {
    this.#options = options;
    this.server = options.server.name;
    this.url = new URL(options.server.url);
    this.#configured = configuredHeaders(this.url, options.server.headers);
    this.ignoredHeaders = this.#configured.ignored;
  }

  /**
   * Resolves with the head of the answer, whatever its status. Rejects with a GatewayError, or with the reason of
   * `signal` when that is one. `headers` win over what was configured.
   */
  async request(request: PeerRequest): Promise<OutboundResponse> {
    const url = this.#withQuery(request.url ?? this.url);
    try {
      const { server, connector, oidc } = this.#options;
      if (this.#configured.problem !== undefined) throw peerError('server_unavailable', this.#configured.problem, this);
      const headers: Record<string, string> = { ...this.#configured.headers };
      if (server.auth !== undefined) {
        headers['authorization'] = await oidc.authorization(
          server.name,
          server.auth.audience,
          nativeSignal(request.signal),
        );
      }
      const response = await connector.request({ ...request, url, headers: { ...headers, ...request.headers } });
      const encoding = response.header('content-encoding');
      if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
        discard(response.body);
        // Nothing was asked for but plain text; unpacking would let a small answer fill the memory.
        throw peerError('server_protocol_error', 'the answer is compressed although that was not asked for', this);
      }
      return response;
    } catch (error) {
      throw this.explain(error, url);
    }
  }

  /** The place itself, wherever the server has told us to send messages, needs what the operator added to its query. */
  #withQuery(url: URL): URL {
    const added = Object.entries(this.#options.server.query ?? {});
    if (added.length === 0) return url;
    const complete = new URL(url);
    for (const [name, value] of added) complete.searchParams.set(name, value);
    return complete;
  }

  /** Any failure of a request or of reading its answer, as a GatewayError. */
  explain(error: unknown, url: URL = this.url): GatewayError {
    return networkError(error, { server: this.server, url });
  }
}
