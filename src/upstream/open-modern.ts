/** Finds out whether a server speaks the modern era, on a wire of its own that is thrown away when it does not. */
import { GatewayError } from '../shared/errors.ts';
import { ModernUpstream } from './modern-upstream.ts';
import type { ServerWires } from './open-conversation.ts';
import type { UpstreamEvents } from './upstream.ts';

export interface OpenModernOptions {
  readonly events: UpstreamEvents;
  /** Name and version of the gateway, raw JSON text. */
  readonly clientInfo: string;
  readonly signal: AbortSignal;
  /** Wait as long as for the start of the server; else only for `PROBE_TIMEOUT_MS`. */
  readonly patient: boolean;
  readonly onMade: (upstream: ModernUpstream) => void;
}

/** A server that says nothing to a question that it does not know is taken for a legacy one after so long; listings wait longer. */
const PROBE_TIMEOUT_MS = 6_000;

/**
 * Resolves with an open conversation, or with undefined when the server shows that it is no modern one. Rejects when
 * what happened says nothing about its era: it cannot be reached, or refuses the gateway (docs/decisions/0020).
 */
export async function openModern(wires: ServerWires, options: OpenModernOptions): Promise<ModernUpstream | undefined> {
  const { config, log, record, onTrouble } = wires;
  const [candidate] = wires.candidates;
  if (candidate === undefined) return undefined;
  const upstream = new ModernUpstream({
    server: config.name,
    // Some legacy servers end when they are asked anything before `initialize`: the probe has a process of its own.
    transport: candidate.create(),
    transportName: candidate.name,
    streamPerRequest: config.kind === 'http',
    clientInfo: options.clientInfo,
    events: options.events,
    log,
    record,
    onTrouble,
  });
  options.onMade(upstream);
  const timeoutMs = options.patient ? config.startupTimeoutMs : Math.min(PROBE_TIMEOUT_MS, config.startupTimeoutMs);
  try {
    await upstream.open(options.signal, timeoutMs);
    return upstream;
  } catch (error) {
    if (options.signal.aborted || !isEraEvidence(error, config.kind)) throw error;
    log.debug({ err: error }, 'the server does not speak the modern era');
    return undefined;
  }
}

/** A pipe that ends or stays silent tells of a legacy server; over HTTP only an answer does. */
function isEraEvidence(error: unknown, kind: 'http' | 'container'): boolean {
  if (!(error instanceof GatewayError)) return false;
  if (error.code === 'server_protocol_error') return true;
  return kind === 'container' && (error.code === 'server_timeout' || error.code === 'server_unavailable');
}
