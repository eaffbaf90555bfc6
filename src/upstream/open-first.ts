/** Opens the conversation that serves all clients of a server, in the era that the server speaks. */
import type { Listing, ListingRow } from '../mcp/listing.ts';
import type { Message } from '../mcp/message.ts';
import { LATEST_LEGACY_VERSION } from '../mcp/versions.ts';
import { GatewayError } from '../shared/errors.ts';
import type { ModernConversation } from './eras.ts';
import type { LegacyUpstream } from './legacy-upstream.ts';
import type { ModernUpstream } from './modern-upstream.ts';
import { openConversation, type ServerWires } from './open-conversation.ts';
import { refuseRequest } from './refuse-request.ts';
import type { PendingCall, Upstream, UpstreamEvents } from './upstream.ts';

export interface OpenFirstOptions {
  readonly wires: ServerWires;
  /** Name and version of the gateway, raw JSON text. */
  readonly clientInfo: string;
  /** Knows whether the server is modern, and keeps the conversation if it is. */
  readonly modern: ModernConversation;
  /** Ends the opening. */
  readonly signal: AbortSignal;
  /** Told of each conversation before it is opened, because its server may speak first. */
  readonly onMade: (upstream: Upstream) => void;
  readonly onNotification: (upstream: Upstream, message: Message, call: PendingCall | undefined) => void;
  /** A legacy conversation is over. */
  readonly onClose: (reason: Error) => void;
  readonly onListing: (row: ListingRow, listing: Listing) => void;
}

/**
 * HTTP servers are asked modern first, as the specification says. A process is greeted with `initialize` first: some
 * legacy ones end when they are asked anything else before, and starting one only to ask costs a container.
 */
export async function openFirst(options: OpenFirstOptions): Promise<LegacyUpstream | ModernUpstream> {
  if (options.wires.config.kind === 'http') return (await modernFirst(options)) ?? legacy(options);
  try {
    return await legacy(options);
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'server_protocol_error') throw error;
    options.modern.doubt();
    const modern = await modernFirst(options, { patient: true }).catch(() => undefined);
    if (modern === undefined) throw error;
    return modern;
  }
}

/** undefined for a legacy server, and for one that leaves the question unanswered. */
async function modernFirst(
  { modern, onMade }: OpenFirstOptions,
  patience?: { readonly patient: boolean },
): Promise<ModernUpstream | undefined> {
  try {
    const upstream = await modern.get(patience);
    if (upstream !== undefined) onMade(upstream);
    return upstream;
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'server_timeout') return undefined;
    throw error;
  }
}

async function legacy(options: OpenFirstOptions): Promise<LegacyUpstream> {
  const { wires, clientInfo, signal, onMade, onNotification, onClose, onListing } = options;
  const made: { upstream?: LegacyUpstream } = {};
  const events: UpstreamEvents = {
    onRequest: (message, call) => {
      if (made.upstream !== undefined && call?.onRequest !== undefined) call.onRequest(made.upstream, message);
      else refuseRequest(made.upstream, message, wires.log);
    },
    onNotification: (message, call) => {
      if (made.upstream !== undefined) onNotification(made.upstream, message, call);
    },
    onClose,
    onListing,
  };
  const upstream = await openConversation(wires, {
    events,
    identity: { clientInfo, clientCapabilities: '{}', protocolVersion: LATEST_LEGACY_VERSION },
    signal,
    onMade: (candidate) => {
      made.upstream = candidate;
      onMade(candidate);
    },
  });
  if (!signal.aborted) return upstream;
  await upstream.close();
  throw new GatewayError('shutting_down', 'The gateway is shutting down.');
}
