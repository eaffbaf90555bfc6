/** Sends requests to one server with everything that each of them needs: configured headers, credentials, and errors in plain words. */
import type { HttpServerConfig } from '../../config/config.ts';
import type { GatewayError } from '../../shared/errors.ts';
import type { GithubOidcTokens } from '../credentials/github-oidc.ts';
import type { Connector, OutboundRequest, OutboundResponse, ResponseHandler } from './connector.ts';
import { discard } from './discard.ts';
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
    const explaining = new Explaining(this, url, handler);
    const { problem } = this.#configured;
    if (problem !== undefined) return explaining.onError(peerError('server_unavailable', problem, this));
    if (server.auth === undefined) {
      connector.begin(completed(request, url, this.#withConfigured(request.headers)), explaining);
      return;
    }
    oidc.authorization(server.name, server.auth.audience, nativeSignal(request.signal)).then(
      (authorization) => {
        const headers = { ...this.#configured.headers, authorization, ...request.headers };
        connector.begin(completed(request, url, headers), explaining);
      },
      (error: unknown) => explaining.onError(error),
    );
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

function completed(
  { method, body, signal, headersTimeoutMs, bodyTimeoutMs, redirect }: PeerRequest,
  url: URL,
  headers: Readonly<Record<string, string>>,
): OutboundRequest {
  return { url, method, headers, body, signal, headersTimeoutMs, bodyTimeoutMs, redirect };
}

/** Tells what becomes of one request in the words of the gateway. A class, because closures for each call cost more. */
class Explaining implements ResponseHandler {
  readonly #outbound: Outbound;
  readonly #url: URL;
  readonly #handler: ResponseHandler;

  constructor(outbound: Outbound, url: URL, handler: ResponseHandler) {
    this.#outbound = outbound;
    this.#url = url;
    this.#handler = handler;
  }

  onResponse(response: OutboundResponse): void {
    const encoding = response.header('content-encoding');
    if (encoding === undefined || encoding.toLowerCase() === 'identity') return this.#handler.onResponse(response);
    discard(response.body);
    // Nothing was asked for but plain text; unpacking would let a small answer fill the memory.
    const fault = 'the answer is compressed although that was not asked for';
    this.onError(peerError('server_protocol_error', fault, this.#outbound));
  }

  onError(error: unknown): void {
    this.#handler.onError(this.#outbound.explain(error, this.#url));
  }
}
