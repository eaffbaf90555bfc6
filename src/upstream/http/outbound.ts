/** Sends requests to one server with everything that each of them needs: configured headers, credentials, and errors in plain words. */
import type { HttpServerConfig } from '../../config/config.ts';
import type { GatewayError } from '../../shared/errors.ts';
import type { GithubOidcTokens } from '../credentials/github-oidc.ts';
import {
  discard,
  type Connector,
  type OutboundRequest,
  type OutboundResponse,
  type ResponseHandler,
} from './connector.ts';
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
  /** `url` with the query. */
  readonly #complete: URL;
  /** What is sent, by what was asked for. */
  readonly #all = new WeakMap<Readonly<Record<string, string>>, Readonly<Record<string, string>>>();

  constructor(options: OutboundOptions) {
    this.#options = options;
    this.server = options.server.name;
    this.url = new URL(options.server.url);
    this.#configured = configuredHeaders(this.url, options.server.headers);
    this.ignoredHeaders = this.#configured.ignored;
    this.#complete = this.#withQuery(this.url);
  }

  /**
   * Resolves with the head of the answer, whatever its status. Rejects with a GatewayError, or with the reason of
   * `signal` when that is one. `headers` win over what was configured.
   */
  request(request: PeerRequest): Promise<OutboundResponse> {
    const { promise, resolve, reject } = Promise.withResolvers<OutboundResponse>();
    this.begin(request, { onResponse: resolve, onError: reject });
    return promise;
  }

  /** As `request`, without a promise: each call passes here. Never throws. */
  begin(request: PeerRequest, handler: ResponseHandler): void {
    const { server, connector, oidc } = this.#options;
    const url = request.url === undefined ? this.#complete : this.#withQuery(request.url);
    const onError = (error: unknown): void => handler.onError(this.explain(error, url));
    const { problem } = this.#configured;
    if (problem !== undefined) return onError(peerError('server_unavailable', problem, this));
    const begin = (headers: Readonly<Record<string, string>>): void =>
      connector.begin(
        { ...request, url, headers },
        {
          onResponse: (response) => {
            const encoding = response.header('content-encoding');
            if (encoding === undefined || encoding.toLowerCase() === 'identity') return handler.onResponse(response);
            discard(response.body);
            // Nothing was asked for but plain text; unpacking would let a small answer fill the memory.
            const fault = 'the answer is compressed although that was not asked for';
            onError(peerError('server_protocol_error', fault, this));
          },
          onError,
        },
      );
    if (server.auth === undefined) return begin(this.#withConfigured(request.headers));
    oidc
      .authorization(server.name, server.auth.audience, nativeSignal(request.signal))
      .then((authorization) => begin({ ...this.#configured.headers, authorization, ...request.headers }), onError);
  }

  /** The same object for the same object: what is sent again and again is put together once. */
  #withConfigured(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
    let all = this.#all.get(headers);
    if (all === undefined) this.#all.set(headers, (all = { ...this.#configured.headers, ...headers }));
    return all;
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
