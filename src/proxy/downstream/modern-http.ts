/** The modern transport on the side of the clients: tells modern requests from legacy ones and holds them to what they must say. */
import { LOG_LEVELS } from '../../mcp/log-levels.ts';
import type { Message } from '../../mcp/message.ts';
import { readEnvelope } from '../../mcp/modern/envelope.ts';
import { checkStandardHeaders, mismatch, readMcpHeaders } from '../../mcp/modern/headers.ts';
import { ALL_VERSIONS, isLegacyVersion, LATEST_LEGACY_VERSION, MODERN_VERSION } from '../../mcp/versions.ts';
import { GatewayError } from '../../shared/errors.ts';
import type { RequestHead } from '../../shared/request-head.ts';
import type { ModernRequest } from '../exchange.ts';

/** Versions are dates, so that a later one is a modern one. */
const DATE = /^\d{4}-\d{2}-\d{2}$/;

/**
 * What a posted message says of its sender when it is a modern one; undefined for legacy messages. The body decides:
 * a version header alone makes no request modern, but it must not contradict the body. Throws `header_mismatch`,
 * `invalid_params` and `unsupported_version`.
 */
export function readModern(request: RequestHead, message: Message): ModernRequest | undefined {
  const reading = readEnvelope(message);
  if (reading.kind === 'invalid') throw new GatewayError('invalid_params', reading.problem);
  if (reading.kind === 'none') {
    refuseHeaderWithoutEnvelope(request, message);
    return undefined;
  }
  const { envelope } = reading;
  const headers = readMcpHeaders(request.rawHeaders);
  const { protocolVersion } = envelope;
  if (headers.version !== undefined && headers.version !== protocolVersion) {
    throw mismatch(`The header MCP-Protocol-Version says "${headers.version}", the body "${protocolVersion}".`);
  }
  if (isLegacyVersion(protocolVersion)) return undefined;
  if (protocolVersion !== MODERN_VERSION) throw unsupported(protocolVersion);
  checkStandardHeaders(headers, message, protocolVersion);
  if (envelope.logLevel !== undefined && !LOG_LEVELS.includes(envelope.logLevel)) {
    throw new GatewayError('invalid_params', `The log level must be one of ${LOG_LEVELS.join(', ')}.`);
  }
  return { envelope, headers };
}

function refuseHeaderWithoutEnvelope(request: RequestHead, message: Message): void {
  const version = request.headers['mcp-protocol-version'];
  if (typeof version !== 'string' || !isModernDate(version.trim())) return;
  if (message.kind === 'notification') return;
  if (message.kind === 'response')
    throw new GatewayError('invalid_request', 'Clients of this version send no responses.');
  if (message.method === 'initialize')
    throw mismatch(`"initialize" belongs to versions up to ${LATEST_LEGACY_VERSION}; the header says "${version}".`);
  if (version.trim() !== MODERN_VERSION) throw unsupported(version);
  throw new GatewayError(
    'invalid_params',
    `Requests of version ${version} need params._meta with the protocol version and the capabilities of the client.`,
  );
}

/** True for a version header that only modern clients send. */
function isModernDate(version: string): boolean {
  return DATE.test(version) && version > LATEST_LEGACY_VERSION;
}

/** The answer to GET and DELETE of a modern client: the version knows only POST, and no sessions. */
export function refuseModernVerb(request: RequestHead): void {
  const version = request.headers['mcp-protocol-version'];
  if (request.method === 'POST' || typeof version !== 'string' || !isModernDate(version.trim())) return;
  throw new GatewayError('method_not_allowed', `Clients of version ${version} use POST only.`);
}

function unsupported(requested: string): GatewayError {
  return new GatewayError('unsupported_version', `The gateway does not speak protocol version "${requested}".`, {
    data: { supported: ALL_VERSIONS, requested },
  });
}
