/** Every way in which a request can fail, with the HTTP status and the JSON-RPC code that each one becomes. */

/** Who caused a failure: the caller, the gateway itself, or the MCP server behind it. */
export type ErrorSource = 'client' | 'gateway' | 'upstream';

interface ErrorRow {
  readonly source: ErrorSource;
  /** True when the same request may succeed later without being changed. */
  readonly retryable: boolean;
  /** The HTTP status when the failure concerns the HTTP request as a whole. */
  readonly status: number;
  /** The JSON-RPC code (MCP Gateway Specification 1.17, section 9). */
  readonly rpcCode: number;
  /** What it means and what the reader can do, for the generated reference page. */
  readonly meaning: string;
}

/** The one table of errors. `docs/reference/errors.md` is generated from it. */
export const ERRORS = {
  parse_error: row('client', false, 400, -32700, 'The body is not JSON. Send one JSON-RPC 2.0 message as UTF-8 JSON.'),
  invalid_request: row(
    'client',
    false,
    400,
    -32600,
    'The body is JSON but not a JSON-RPC 2.0 message, or a header contradicts it.',
  ),
  method_not_found: row(
    'client',
    false,
    404,
    -32601,
    'No server on this route knows the method. The capabilities in the answer to `initialize` say what there is.',
  ),
  invalid_params: row(
    'client',
    false,
    400,
    -32602,
    'A parameter is missing or wrong: an unknown tool, prompt or resource, or a bad cursor.',
  ),
  tool_not_allowed: row(
    'client',
    false,
    403,
    -32602,
    'The tool exists but is not in the `tools` list of its server in the configuration. An operator adds it there.',
  ),
  header_mismatch: row(
    'client',
    false,
    400,
    -32020,
    'An Mcp-* header of a modern request is missing, stands twice, or says something else than the body.',
  ),
  missing_client_capability: row(
    'client',
    false,
    400,
    -32021,
    'The server has to ask the client something that the client did not declare; see `data.requiredCapabilities`.',
  ),
  unsupported_version: row(
    'client',
    false,
    400,
    -32022,
    'The request names a protocol version that the gateway does not speak; see `data.supported`.',
  ),
  unauthorized: row(
    'client',
    false,
    401,
    -32003,
    'The Authorization header is missing, or holds nothing that is known and still counts; the message says which.',
  ),
  malformed_authorization: row(
    'client',
    false,
    400,
    -32003,
    'The Authorization header has characters that no credential can have.',
  ),
  forbidden_host: row(
    'client',
    false,
    403,
    -32600,
    'The Host or Origin header names a site that may not call this gateway (DNS rebinding). An operator lists it in `allowed_hosts` or `allowed_origins`.',
  ),
  not_found: row(
    'client',
    false,
    404,
    -32600,
    'No endpoint at this path. There are `/mcp`, `/mcp/{server}`, and others by the mode of the gateway.',
  ),
  unknown_server: row(
    'client',
    false,
    404,
    -32600,
    'No server of this name is configured, or it is not visible to the caller. The name is that of the configuration.',
  ),
  method_not_allowed: row('client', false, 405, -32600, 'The endpoint exists but not for this HTTP method.'),
  not_acceptable: row(
    'client',
    false,
    406,
    -32600,
    'The Accept header must allow application/json and text/event-stream.',
  ),
  request_timeout: row('client', true, 408, -32600, 'The request body did not arrive in time.'),
  conflict: row(
    'client',
    true,
    409,
    -32600,
    'The session already has an open stream for server messages. Close that one first.',
  ),
  body_too_large: row('client', false, 413, -32600, 'The request body is larger than the limit, `max_body_bytes`.'),
  unsupported_media_type: row('client', false, 415, -32600, 'The Content-Type must be application/json.'),
  session_missing: row(
    'client',
    false,
    400,
    -32600,
    'The request needs an Mcp-Session-Id header; send `initialize` first.',
  ),
  session_not_found: row(
    'client',
    true,
    404,
    -32600,
    'The session has ended or belongs to somebody else; send `initialize` again.',
  ),
  too_many_parked_calls: row(
    'gateway',
    true,
    503,
    -32001,
    'Too many calls wait for an answer of their client; the gateway holds no more of them.',
  ),
  too_many_sessions: row(
    'gateway',
    true,
    503,
    -32000,
    'The gateway holds as many sessions as it may; try again later.',
  ),
  too_many_bodies: row(
    'gateway',
    true,
    503,
    -32000,
    'The bodies of large requests together hold as much memory as they may (`maxHeldBodyBytes`); try again later.',
  ),
  too_many_answers: row(
    'gateway',
    true,
    503,
    -32000,
    'Large answers that wait for their clients together hold as much memory as they may. The server has done what was asked; try again later.',
  ),
  server_unavailable: row(
    'upstream',
    true,
    503,
    -32001,
    'The MCP server cannot be reached, has crashed, or is being restarted. It is tried again by itself; `GET /status` has the reason.',
  ),
  server_tls_error: row(
    'upstream',
    true,
    503,
    -32001,
    'The TLS handshake with the MCP server failed; `data.detail` has the reason.',
  ),
  server_address_refused: row(
    'client',
    false,
    422,
    -32001,
    'The URL of the registered MCP server leads to an address that is not allowed, such as a private one; an operator can allow it in `allowedNetworks`.',
  ),
  server_auth_required: row(
    'upstream',
    false,
    503,
    -32001,
    'The MCP server refused the credentials of the gateway. An operator corrects `headers`, `auth` or `env` of the server.',
  ),
  server_protocol_error: row(
    'upstream',
    false,
    502,
    -32000,
    'The MCP server answered with something that is not MCP. Its URL may be wrong, or its version broken.',
  ),
  server_session_lost: row(
    'upstream',
    true,
    503,
    -32001,
    'The MCP server has forgotten the session of the gateway. The next request opens another.',
  ),
  server_timeout: row(
    'upstream',
    true,
    504,
    -32002,
    'The MCP server did not answer in time; `data.detail` names server, method and elapsed time. An operator may raise `tool_timeout`.',
  ),
  cancelled: row('client', false, 499, -32000, 'The caller cancelled the request.'),
  shutting_down: row('gateway', true, 503, -32001, 'The gateway is shutting down and takes no new requests.'),
  already_closed: row('gateway', false, 410, -32001, 'The gateway was already told to close.'),
  forbidden: row(
    'client',
    false,
    403,
    -32003,
    'The credential is good but does not allow this; the message names the permission that is missing.',
  ),
  management_off: row(
    'client',
    false,
    404,
    -32600,
    'The management API needs a store. Start the gateway with --data-dir DIR, or with DATABASE_URL set.',
  ),
  no_such_object: row('client', false, 404, -32600, 'There is no such object, or it is not visible to the caller.'),
  registration_failed: row(
    'upstream',
    true,
    502,
    -32001,
    'The MCP server that was to be registered or changed cannot be used as described; `reason` is `transport`, `tls`, `auth`, `protocol` or `timeout`. Nothing was stored.',
  ),
  already_exists: row(
    'client',
    false,
    409,
    -32600,
    'Another object has this name. Choose another name, or change the one that is there.',
  ),
  read_only: row(
    'client',
    false,
    409,
    -32600,
    'The object comes from a configuration file or with the product and can only be changed there.',
  ),
  refused_by_state: row(
    'client',
    false,
    409,
    -32600,
    'The request would leave something in a state that nobody can get out of; the message says what.',
  ),
  stale_version: row(
    'client',
    false,
    412,
    -32600,
    'Somebody else has changed the object since. Read it again, and send its new ETag in If-Match.',
  ),
  invalid_input: row(
    'client',
    false,
    422,
    -32602,
    'The request is well formed, but a field, parameter or header cannot be so; `errors` names each with a remedy.',
  ),
  idempotency_mismatch: row(
    'client',
    false,
    422,
    -32600,
    'The Idempotency-Key was used before, for another request. Use a new key for each new request.',
  ),
  idempotency_in_progress: row(
    'client',
    true,
    409,
    -32600,
    'A request with this Idempotency-Key is still being worked on. Send it again later.',
  ),
  storage_full: row(
    'gateway',
    true,
    507,
    -32603,
    'The disk of the store is full: nothing was changed, and what is configured is served on. Make room.',
  ),
  storage_unavailable: row(
    'gateway',
    true,
    503,
    -32603,
    'The store does not answer: nothing was changed, and what is configured is served on. The log has the reason.',
  ),
  internal: row(
    'gateway',
    true,
    500,
    -32603,
    'A fault in the gateway. The id in the message stands in the log beside the cause.',
  ),
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

function row(source: ErrorSource, retryable: boolean, status: number, rpcCode: number, meaning: string): ErrorRow {
  return { source, retryable, status, rpcCode, meaning };
}

export interface ErrorContext {
  /** The configured name of the MCP server concerned. */
  readonly server?: string;
  /** One line that says exactly what happened. Shown to the caller: never put a secret in it. */
  readonly detail?: string;
  readonly cause?: unknown;
  /** Value of the WWW-Authenticate header of the answer, for 401 and 403. */
  readonly challenge?: string | undefined;
  /** Further members of `error.data`, such as `requiredCapabilities`. Shown to the caller. */
  readonly data?: Readonly<Record<string, object | string>>;
}

/** An expected failure. Anything else that is thrown is a fault: the caller then sees only an id. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError';
  readonly code: ErrorCode;
  readonly server: string | undefined;
  readonly detail: string | undefined;
  readonly challenge: string | undefined;
  readonly data: Readonly<Record<string, object | string>>;

  constructor(code: ErrorCode, message: string, context: ErrorContext = {}) {
    super(message, context.cause === undefined ? undefined : { cause: context.cause });
    this.code = code;
    this.server = context.server;
    this.detail = context.detail;
    this.challenge = context.challenge;
    this.data = context.data ?? {};
  }

  get source(): ErrorSource {
    return ERRORS[this.code].source;
  }
  get retryable(): boolean {
    return ERRORS[this.code].retryable;
  }
  get status(): number {
    return ERRORS[this.code].status;
  }
  get rpcCode(): number {
    return ERRORS[this.code].rpcCode;
  }
}
