/** Opens a server, asks it for everything that it offers, and says in one word why that failed. */
import type { ServerConfig } from '../../config/config.ts';
import type { ItemKind } from '../../config/registration.ts';
import { type Candidate, type Candidates, type MaterialFault, materialFaultOf } from '../../runtime/candidates.ts';
import { countKinds, discover } from '../../runtime/discovery.ts';
import { unlessAborted } from '../../shared/async.ts';
import { type ErrorCode, GatewayError } from '../../shared/errors.ts';
import type { SeenItem } from '../../store/store.ts';
import type { Upstream } from '../../upstream/upstream.ts';
import type { FailureClass, ItemCounts } from '../contract/gateways.ts';
import { type FieldError, invalidInput } from '../http/problem.ts';

export interface Reached {
  readonly upstream: Upstream;
  readonly items: readonly SeenItem[];
  readonly connectMs: number;
  readonly discoverMs: number;
}

/** Everything for the server is made and checked; nothing is connected yet. Throws `invalid_input` for unusable certificates or keys. */
export async function prepareTrial(candidates: Candidates, server: ServerConfig): Promise<Candidate> {
  try {
    return await candidates.open(server);
  } catch (error) {
    const fault = materialFaultOf(error);
    throw fault === undefined ? error : invalidInput([fieldErrorOf(fault, server)]);
  }
}

/** Connects and reads all listings. Rejects with a GatewayError; `signal` ends it. */
export async function reach({ pool }: Candidate, signal: AbortSignal): Promise<Reached> {
  const startedAt = performance.now();
  signal.throwIfAborted();
  await unlessAborted(pool.start({ retry: false }), signal);
  const connected = performance.now();
  const upstream = await unlessAborted(pool.shared(), signal);
  const items = await unlessAborted(discover(upstream), signal);
  return {
    upstream,
    items,
    connectMs: rounded(connected - startedAt),
    discoverMs: rounded(performance.now() - connected),
  };
}

const CLASSES: Partial<Record<ErrorCode, FailureClass>> = {
  server_tls_error: 'tls',
  server_auth_required: 'auth',
  server_protocol_error: 'protocol',
  server_timeout: 'timeout',
  server_unavailable: 'transport',
  server_session_lost: 'transport',
};

/** undefined for what is no failure of the server. */
export function failureClassOf(error: unknown): FailureClass | undefined {
  if (!(error instanceof GatewayError)) return undefined;
  const known = CLASSES[error.code];
  return known === 'transport' && isConnectTimeout(error) ? 'timeout' : known;
}

/** The failure of a registration whose server cannot be reached; anything else stays what it is. */
export function unreachable(error: unknown, server: string): unknown {
  const reason = failureClassOf(error);
  if (reason === undefined || !(error instanceof GatewayError)) return error;
  return new GatewayError('registration_failed', `The MCP server "${server}" was not registered. ${error.message}`, {
    server,
    data: { reason, cause: error.code },
    cause: error,
  });
}

export function countsOf(items: readonly { readonly kind: ItemKind }[]): ItemCounts {
  const counts = countKinds(items);
  return {
    tools: counts.tool,
    resources: counts.resource,
    resourceTemplates: counts['resource-template'],
    prompts: counts.prompt,
  };
}

function isConnectTimeout({ cause }: GatewayError): boolean {
  return cause instanceof Error && 'code' in cause && /^(?:ETIMEDOUT|UND_ERR_\w+_TIMEOUT)$/.test(String(cause.code));
}

function fieldErrorOf({ where, reason }: MaterialFault, server: ServerConfig): FieldError {
  const tls = server.kind === 'http' ? server.tls : undefined;
  const field = Object.entries(tls ?? {}).find(([, value]) => value === where)?.[0];
  const pointer = `/tls/${field ?? where.replace(/^tls\./, '')}`;
  return {
    pointer: field === undefined && !/^tls\.\w+$/.test(where) ? '/tls' : pointer,
    detail: `${where}: ${reason}`,
    remedy:
      'Give a certificate that is valid now, with the key that belongs to it, as PEM or as the path of a PEM file.',
  };
}

function rounded(ms: number): number {
  return Math.round(ms * 10) / 10;
}
