/** Says in plain words why an HTTP server could not be reached, could not be trusted, or did not answer with MCP. */
import { JsonScanError } from '../../mcp/json-scanner.ts';
import { SseEventTooLargeError, SseTypeError } from '../../mcp/sse.ts';
import { AddressRefusedError } from '../../shared/address-policy.ts';
import { GatewayError, type ErrorCode } from '../../shared/errors.ts';
import { MaterialError } from '../../tls/material-error.ts';
import { StrictNamesError } from '../../tls/upstream-identity.ts';
import { TooManyCallsError } from './calls/call-client.ts';
import { ConnectionEndedError } from './calls/call-connection.ts';
import { MalformedReplyError, ReplyHeadTooLargeError } from './calls/reply-parser.ts';
import { RedirectRefusedError } from './attempt.ts';

export interface Peer {
  /** The configured name of the server. */
  readonly server: string;
  readonly url: URL;
}

interface Finding {
  readonly code: ErrorCode;
  readonly detail: string;
}

/** A message or body of the server is larger than the gateway will hold. */
export class AnswerTooLargeError extends Error {
  override readonly name = 'AnswerTooLargeError';
}

/** The GatewayError for anything that the network, TLS or the HTTP library threw. A GatewayError is returned as it is. */
export function networkError(error: unknown, peer: Peer): GatewayError {
  const chain = causes(error);
  for (const each of chain) if (each instanceof GatewayError) return each;
  for (const each of chain) {
    const finding = classify(each, peer.url);
    if (finding !== undefined) return peerError(finding.code, finding.detail, peer, error);
  }
  const name = error instanceof Error ? (codeOf(error) ?? error.name) : typeof error;
  return peerError('server_unavailable', `the request to ${peer.url.host} failed (${name})`, peer, error);
}

const LEADS: Partial<Record<ErrorCode, string>> = {
  server_tls_error: 'The TLS handshake with the MCP server failed',
  server_unavailable: 'The MCP server cannot be reached',
  server_address_refused: 'The MCP server is at a place where registered servers may not be',
  server_auth_required: 'The MCP server refused the credentials of the gateway',
  server_session_lost: 'The MCP server has forgotten the session of the gateway',
  server_protocol_error: 'The MCP server answered with something that is not MCP',
};

/** A failure of one server, with the detail both in the message and by itself. */
export function peerError(
  code: ErrorCode,
  detail: string,
  { server }: { readonly server: string },
  cause?: unknown,
): GatewayError {
  const lead = LEADS[code] ?? 'The MCP server failed';
  return new GatewayError(code, `${lead}: ${detail}.`, { server, detail, ...(cause === undefined ? {} : { cause }) });
}

/** The error, what caused it, and the members of aggregate errors (one for each address that was tried), outermost first. */
function causes(error: unknown): unknown[] {
  const found: unknown[] = [];
  const visit = (each: unknown): void => {
    if (each === undefined || each === null || found.length >= 16 || found.includes(each)) return;
    found.push(each);
    if (each instanceof AggregateError) each.errors.forEach(visit);
    if (each instanceof Error) visit(each.cause);
  };
  visit(error);
  return found;
}

function classify(error: unknown, url: URL): Finding | undefined {
  if (!(error instanceof Error)) return undefined;
  if (
    error instanceof RedirectRefusedError ||
    error instanceof AnswerTooLargeError ||
    error instanceof SseEventTooLargeError ||
    error instanceof SseTypeError
  ) {
    return { code: 'server_protocol_error', detail: error.message };
  }
  if (error instanceof JsonScanError)
    return {
      code: 'server_protocol_error',
      detail: `the answer is wrong ${error.offset} bytes behind its beginning: ${error.message}`,
    };
  if (error instanceof AddressRefusedError) return { code: 'server_address_refused', detail: error.message };
  if (error instanceof MaterialError) {
    return tls(`the gateway has no usable TLS material for it, ${error.where}: ${error.reason}`);
  }
  if (error instanceof StrictNamesError) {
    return tls(
      `the certificate of the server names ${url.hostname} only in its common name, and strictNames refuses that; give the server a certificate with a subject alternative name`,
    );
  }
  if (error.name === 'TimeoutError')
    return { code: 'server_unavailable', detail: `${url.host} did not answer in time` };
  if (error.name === 'HTTPParserError' || error instanceof MalformedReplyError)
    return { code: 'server_protocol_error', detail: `the answer of ${url.host} is not HTTP (${error.message})` };
  if (error instanceof ConnectionEndedError) {
    const detail = `the connection to ${url.host} was closed ${closedWhen(error.bytesRead > 0, url)}`;
    return { code: 'server_unavailable', detail };
  }
  if (error instanceof TooManyCallsError)
    return { code: 'server_unavailable', detail: `too many calls to ${url.host} are under way already` };
  const code = error instanceof ReplyHeadTooLargeError ? 'UND_ERR_HEADERS_OVERFLOW' : codeOf(error);
  if (code === undefined) return undefined;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return tls(wrongName(error, url));
  const certificate = CERTIFICATE_FAULTS[code];
  if (certificate !== undefined) return tls(`${certificate} (${url.host}, ${code})`);
  if (/^ERR_(?:SSL|TLS|OSSL)_/.test(code) || code === 'EPROTO') return tls(handshakeFault(code, url));
  if (code === 'UND_ERR_HEADERS_OVERFLOW') {
    return { code: 'server_protocol_error', detail: `the answer of ${url.host} has headers that are too large` };
  }
  const network = networkFault(code, url, error);
  return network === undefined ? undefined : { code: 'server_unavailable', detail: network };
}

function tls(detail: string): Finding {
  return { code: 'server_tls_error', detail };
}

/** Verdicts of OpenSSL on the certificate of the server. */
const CERTIFICATE_FAULTS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'the certificate of the server has expired',
  CERT_NOT_YET_VALID: 'the certificate of the server is not valid yet; is the clock of this machine right?',
  CERT_REVOKED: 'the certificate of the server was revoked',
  CERT_UNTRUSTED: 'the certificate authority of the server is not trusted for this purpose',
  CERT_REJECTED: 'the certificate authority of the server is marked as rejected',
  CERT_SIGNATURE_FAILURE: 'the signature of the certificate of the server is wrong',
  CERT_CHAIN_TOO_LONG: 'the certificate chain of the server is too long',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'the certificate of the server is self-signed and not trusted here',
  SELF_SIGNED_CERT_IN_CHAIN:
    'the certificate of the server comes from an unknown certificate authority (a self-signed root in its chain)',
  UNABLE_TO_GET_ISSUER_CERT: 'the certificate of the server comes from an unknown certificate authority',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'the certificate of the server comes from an unknown certificate authority',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    'the certificate of the server comes from an unknown certificate authority, or the server does not send the intermediate certificates',
  INVALID_CA: 'a certificate in the chain of the server may not issue certificates',
  INVALID_PURPOSE: 'the certificate of the server is not made for servers',
  PATH_LENGTH_EXCEEDED: 'the certificate chain of the server is longer than its authority allows',
  HOSTNAME_MISMATCH: 'the certificate of the server is made for another host name',
};

function wrongName(error: Error, url: URL): string {
  const certificate: unknown = 'cert' in error ? error.cert : undefined;
  const names = certificateNames(certificate);
  return `the certificate of the server is not made for ${url.hostname}; it names ${names} (ERR_TLS_CERT_ALTNAME_INVALID). Set tls.serverName to a name that it has, or give the server a certificate with ${url.hostname} in its subject alternative name`;
}

function certificateNames(certificate: unknown): string {
  if (typeof certificate !== 'object' || certificate === null) return 'something else';
  if ('subjectaltname' in certificate && typeof certificate.subjectaltname === 'string')
    return printable(certificate.subjectaltname);
  const subject: unknown = 'subject' in certificate ? certificate.subject : undefined;
  if (typeof subject === 'object' && subject !== null && 'CN' in subject && typeof subject.CN === 'string') {
    return `only the common name ${printable(subject.CN)}`;
  }
  return 'no host at all';
}

/** Text that a server chose, short and on one line. */
export function printable(text: string, maxLength = 300): string {
  const clean = text.replaceAll(/[^\x20-\x7e]+/g, ' ').trim();
  return clean.length > maxLength ? `${clean.slice(0, maxLength)}…` : clean;
}

function handshakeFault(code: string, { host }: URL): string {
  if (code.includes('ALERT_CERTIFICATE_REQUIRED')) return `the server ${host} requires a client certificate (${code})`;
  if (code.includes('ALERT_HANDSHAKE_FAILURE')) {
    return `the server ${host} refused the handshake: it requires a client certificate, or shares no cipher with the gateway (${code})`;
  }
  if (
    /ALERT_(?:UNKNOWN_CA|BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_(?:EXPIRED|REVOKED|UNKNOWN)|ACCESS_DENIED)/.test(
      code,
    )
  ) {
    return `the server ${host} refused the client certificate of the gateway (${code})`;
  }
  if (/WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST/.test(code)) {
    return `the server ${host} does not speak TLS on this port; should the URL begin with http:// (${code})?`;
  }
  if (/PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|NO_PROTOCOLS/.test(code)) {
    return `the server ${host} speaks no TLS version that the gateway accepts (${code})`;
  }
  return `the TLS handshake with ${host} failed (${code})`;
}

function networkFault(code: string, url: URL, error: Error): string | undefined {
  const { host, hostname } = url;
  switch (code) {
    case 'ECONNREFUSED':
      return `connection refused by ${host}: nothing listens there`;
    case 'ENOTFOUND':
      return `the host name ${hostname} does not exist`;
    case 'EAI_AGAIN':
      return `the host name ${hostname} could not be looked up: no name server answered`;
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EHOSTDOWN':
    case 'ENETDOWN':
    case 'EADDRNOTAVAIL':
      return `there is no route to ${host} (${code})`;
    case 'ETIMEDOUT':
    case 'UND_ERR_CONNECT_TIMEOUT':
      return `no connection to ${host} within the connect timeout`;
    case 'UND_ERR_HEADERS_TIMEOUT':
      return `${host} took the request and did not begin to answer in time`;
    case 'UND_ERR_BODY_TIMEOUT':
      return `the answer of ${host} stopped in the middle`;
    case 'UND_ERR_SOCKET':
    case 'ECONNRESET':
    case 'EPIPE':
    case 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH':
      return `the connection to ${host} was closed ${closedWhen(hasRead(error), url)}`;
    case 'UND_ERR_DESTROYED':
    case 'UND_ERR_CLOSED':
    case 'UND_ERR_ABORTED':
      return `the connection to ${host} was closed by the gateway`;
    default:
      return undefined;
  }
}

function hasRead(error: Error): boolean {
  const socket: unknown = 'socket' in error ? error.socket : undefined;
  return !(typeof socket === 'object' && socket !== null && 'bytesRead' in socket && socket.bytesRead === 0);
}

function closedWhen(began: boolean, { protocol }: URL): string {
  if (began) return 'before the answer was complete';
  // A server that resets the connection can lose the alert that says so.
  return protocol === 'https:'
    ? 'before any answer; a server that requires a client certificate can look like this'
    : 'before any answer';
}

function codeOf(error: Error): string | undefined {
  return 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
