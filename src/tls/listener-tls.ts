/** TLS of the listener while it runs: which material serves, how it is exchanged, and which connections may stay. */
import { randomBytes, type X509Certificate } from 'node:crypto';
import type { ServerOptions } from 'node:https';
import type { Server, SecureContext, TLSSocket } from 'node:tls';
import type { Logger } from 'pino';
import type { ListenerTlsConfig } from '../config/tls-config.ts';
import { nameOf } from './certificate.ts';
import { describeClient, isAllowedClient } from './client-certificate.ts';
import { type ListenerGeneration, sniContexts } from './listener-generation.ts';
import { MaterialError } from './material-error.ts';
import { fingerprintOf, servedFingerprint } from './probe.ts';
import { isTrusted, type Trust } from './trust.ts';

/** Long enough for a slow line, short enough for those who only hold connections open. */
const HANDSHAKE_TIMEOUT_MS = 10_000;
const TICKET_KEY_BYTES = 48;
const MAX_CHAIN = 10;

/** What is different where several processes serve one port. */
export interface ListenerTlsOptions {
  /** Where a connection to the port may reach another process, this one is asked without the port. */
  readonly sharesPort?: boolean;
  /** Keys for session tickets, whenever the ones before may not be used any more; default: random ones. */
  readonly newTickets?: (() => Buffer | undefined) | undefined;
}

interface Serving {
  readonly generation: ListenerGeneration;
  readonly tickets: Buffer;
  readonly bySni: (servername: string) => SecureContext | undefined;
}

export class ListenerTls {
  readonly config: ListenerTlsConfig;
  readonly #log: Logger;
  readonly #sockets = new Set<TLSSocket>();
  /** Ports of our own probes, which show no certificate. */
  readonly #probes = new Set<number>();
  readonly #options: ListenerTlsOptions;
  /** Probes of ours that come from no port. */
  #probing = 0;
  #serving: Serving;
  #server: Server | undefined;

  constructor(config: ListenerTlsConfig, first: ListenerGeneration, log: Logger, options: ListenerTlsOptions = {}) {
    this.config = config;
    this.#log = log;
    this.#options = options;
    this.#serving = serving(first, this.#newTickets());
  }

  /** The keys of session tickets that are in use. */
  get tickets(): Buffer {
    return this.#serving.tickets;
  }

  get generation(): ListenerGeneration {
    return this.#serving.generation;
  }

  /** For `https.createServer`. */
  options(): ServerOptions {
    const { clientAuth } = this.config;
    return {
      ...this.#serving.generation.context(this.#serving.tickets),
      ALPNProtocols: ['http/1.1'],
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      requestCert: clientAuth !== 'none',
      rejectUnauthorized: clientAuth === 'required',
      // Asks for what serves now; contexts that are added to a server would stay those of its start.
      SNICallback: (servername, callback) => callback(null, this.#serving.bySni(servername)),
    };
  }

  /** Watches over the connections of the server, from its creation on. */
  attach(server: Server): void {
    this.#server = server;
    server.on('secureConnection', (socket) => this.#accept(socket));
    server.on('tlsClientError', (error, socket) => this.#refused(error, socket));
  }

  /**
   * New handshakes get the material of `next`, once the live port was seen to serve it. Connections that are open live on,
   * except those of clients that are no longer trusted. Rejects when it does not serve; what was before serves then.
   * Resolves with the number of connections that were closed.
   */
  async apply(next: ListenerGeneration): Promise<number> {
    const before = this.#serving;
    const isSameTrust = next.trustKey === before.generation.trustKey;
    // Clients keep resuming over a renewal. With other clients trusted, every ticket must die: who holds one skips all checks.
    const after = serving(next, isSameTrust ? before.tickets : this.#newTickets());
    this.#use(after);
    try {
      await this.#probe(next);
    } catch (error) {
      this.#use(before);
      throw error;
    }
    return isSameTrust || next.trust === undefined ? 0 : this.#sweep(next.trust, next.allowedClients);
  }

  #use(next: Serving): void {
    this.#server?.setSecureContext(next.generation.context(next.tickets));
    this.#serving = next;
  }

  #newTickets(): Buffer {
    return this.#options.newTickets?.() ?? randomBytes(TICKET_KEY_BYTES);
  }

  async #probe({ leaf }: ListenerGeneration): Promise<void> {
    if (this.#options.sharesPort === true && this.#server !== undefined) {
      this.#probing++;
      // The refusal of the probe may come later than its end.
      setTimeout(() => this.#probing--, 1_000).unref();
      return confirm(leaf, await fingerprintOf(this.#server));
    }
    const address = this.#server?.address();
    if (address === null || address === undefined || typeof address === 'string') return;
    let ownPort = 0;
    try {
      const served = await servedFingerprint(address, (port) => {
        ownPort = port;
        this.#probes.add(port);
      });
      confirm(leaf, served);
    } catch (error) {
      if (error instanceof MaterialError) throw error;
      throw new MaterialError(
        'the live port',
        `a handshake with it failed (${error instanceof Error ? error.message : String(error)})`,
        error,
      );
    } finally {
      // The refusal of the probe may come later than its end.
      setTimeout(() => this.#probes.delete(ownPort), 1_000).unref();
    }
  }

  #accept(socket: TLSSocket): void {
    if (this.config.clientAuth === 'none') return;
    if (!socket.authorized && socket.getPeerX509Certificate() !== undefined) {
      // `optional` means that there may be none, not that it may be a wrong one.
      this.#log.warn({ reason: reasonOf(socket), ...addressOf(socket) }, 'refused the certificate of a client');
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }

  #refused(error: Error, socket: TLSSocket): void {
    if (socket.remotePort === undefined ? this.#probing > 0 : this.#probes.has(socket.remotePort)) return;
    const reason = reasonOf(socket);
    if (reason === undefined) this.#log.debug({ err: error, ...addressOf(socket) }, 'a TLS handshake failed');
    else this.#log.warn({ reason, ...addressOf(socket) }, 'refused the certificate of a client');
  }

  /** Node looks at a client certificate once, in the handshake: who lost our trust since then is found here. */
  #sweep(trust: Trust, allowed: readonly string[] | undefined): number {
    const now = new Date();
    const verdicts = new Map<string, boolean>();
    let closed = 0;
    for (const socket of this.#sockets) {
      const leaf = socket.getPeerX509Certificate();
      if (leaf === undefined) continue;
      let verdict = verdicts.get(leaf.fingerprint256);
      if (verdict === undefined) {
        verdict = isTrusted(leaf, chainOf(leaf), trust, now) && isAllowedClient(describeClient(leaf), allowed);
        verdicts.set(leaf.fingerprint256, verdict);
        if (!verdict)
          this.#log.warn(
            { client: nameOf(leaf), fingerprint: leaf.fingerprint256 },
            'the certificate of a client is no longer trusted; its connections are closed',
          );
      }
      if (verdict) continue;
      socket.destroy();
      closed++;
    }
    return closed;
  }
}

/** Throws a MaterialError when another certificate is served. */
function confirm(leaf: X509Certificate, served: string | undefined): void {
  if (served === leaf.fingerprint256) return;
  throw new MaterialError('the live port', `serves the certificate ${served ?? 'none'} and not the new one`);
}

function serving(generation: ListenerGeneration, tickets: Buffer): Serving {
  return { generation, tickets, bySni: sniContexts(generation, tickets) };
}

function chainOf(leaf: X509Certificate): readonly X509Certificate[] {
  const chain: X509Certificate[] = [];
  for (
    let next = leaf.issuerCertificate;
    next !== undefined && chain.length < MAX_CHAIN;
    next = next.issuerCertificate
  ) {
    if (chain.at(-1)?.fingerprint256 === next.fingerprint256) break;
    chain.push(next);
  }
  return chain;
}

/** Why a client certificate was refused; undefined when something else went wrong. */
function reasonOf(socket: TLSSocket): string | undefined {
  const error: unknown = socket.authorizationError;
  if (error === null || error === undefined) return undefined;
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  return code === 'UNABLE_TO_GET_ISSUER_CERT' ? `${code}: none was shown, or its authority is unknown` : code;
}

function addressOf({ remoteAddress }: TLSSocket): { readonly client?: string } {
  return remoteAddress === undefined ? {} : { client: remoteAddress };
}
