/** Opens a conversation with a server over the first wire that the server speaks, and restores its settings. */
import type { Logger } from 'pino';
import type { ServerConfig } from '../config/config.ts';
import { parseMessage, requestText } from '../mcp/message.ts';
import { GatewayError } from '../shared/errors.ts';
import { LegacyUpstream } from './legacy-upstream.ts';
import type { MessageText, Transport } from './transport.ts';
import type { Upstream, UpstreamEvents } from './upstream.ts';

export interface TransportCandidate {
  readonly name: string;
  create(): Transport;
}

/** How a server is reached, the same for all conversations with it. */
export interface ServerWires {
  readonly config: ServerConfig;
  /** The wires to try, best first. */
  readonly candidates: readonly TransportCandidate[];
  /** True when the server does not speak this wire, so that the next candidate is worth a try. */
  readonly isMismatch: (error: unknown) => boolean;
  readonly log: Logger;
  readonly record: (direction: 'IN' | 'OUT', text: MessageText) => void;
  /** A request could not be delivered, or its answer broke off: perhaps the server is down. */
  readonly onTrouble: () => void;
}

/** Who speaks with the server. */
export interface ClientIdentity {
  /** Raw JSON text of what `initialize` says about the client. */
  readonly clientInfo: string;
  readonly clientCapabilities: string;
  readonly protocolVersion: string;
}

export interface OpenOptions {
  readonly events: UpstreamEvents;
  readonly identity: ClientIdentity;
  readonly signal: AbortSignal;
  /** Told of each conversation before it is opened, because its server may speak first. */
  readonly onMade: (upstream: LegacyUpstream) => void;
}

const REPLAY_TIMEOUT_MS = 30_000;
const REPLAY_OWNER = {};

/** Resolves with an open conversation; rejects with a GatewayError when none could be opened within the startup timeout. */
export async function openConversation(wires: ServerWires, options: OpenOptions): Promise<LegacyUpstream> {
  const { config, log, record, onTrouble } = wires;
  const { identity, events, signal } = options;
  const deadline = AbortSignal.timeout(config.startupTimeoutMs);
  let lastError: unknown;
  for (const candidate of wires.candidates) {
    const upstream = new LegacyUpstream({
      server: config.name,
      transport: candidate.create(),
      transportName: candidate.name,
      clientInfo: identity.clientInfo,
      clientCapabilities: identity.clientCapabilities,
      requestedVersion: identity.protocolVersion,
      events,
      log,
      record,
      onTrouble,
    });
    options.onMade(upstream);
    try {
      await upstream.open(AbortSignal.any([signal, deadline]), config.startupTimeoutMs);
      return upstream;
    } catch (error) {
      lastError = deadline.aborted ? startupTimeout(config) : error;
      if (!wires.isMismatch(error)) break;
    }
  }
  throw lastError;
}

/** Tells a conversation that was opened anew what the one before it had been told. Never rejects. */
export async function replay(
  upstream: Upstream,
  logLevel: string | undefined,
  subscriptions: ReadonlySet<string>,
  log: Logger,
): Promise<void> {
  const settings: (readonly [string, object])[] = [...subscriptions].map((uri) => ['resources/subscribe', { uri }]);
  if (logLevel !== undefined) settings.unshift(['logging/setLevel', { level: logLevel }]);
  for (const [method, params] of settings) {
    const message = parseMessage(requestText('"replay"', method, JSON.stringify(params)));
    try {
      await upstream.call(message, { owner: REPLAY_OWNER, timeoutMs: REPLAY_TIMEOUT_MS, onMessage: () => undefined });
    } catch (error) {
      log.warn({ err: error, method }, 'could not restore a setting after the server was opened anew');
    }
  }
}

function startupTimeout({ name, startupTimeoutMs }: ServerConfig): GatewayError {
  const detail = `The server did not finish "initialize" within ${startupTimeoutMs / 1000} s.`;
  return new GatewayError('server_timeout', `Server startup timeout: ${detail}`, { server: name, detail });
}
