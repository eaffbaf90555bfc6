/** Schema of the `gateway` part: shapes and ranges; what depends on several fields is in `build/gateway.ts`. */
import { parseAllowedPlace } from '../../shared/address-policy.ts';
import * as z from 'zod';
import {
  DEFAULT_DOMAIN,
  DEFAULT_KEEPALIVE_SECONDS,
  DEFAULT_MAX_BODY_BYTES,
  DEFAULT_MAX_HELD_BODY_BYTES,
  DEFAULT_PAYLOAD_SIZE_THRESHOLD,
  DEFAULT_PORT,
  DEFAULT_SESSION_TIMEOUT,
  DEFAULT_SHUTDOWN_TIMEOUT,
  DEFAULT_STARTUP_TIMEOUT_SECONDS,
  DEFAULT_TOOL_TIMEOUT_SECONDS,
  MAX_AUDIT_DAYS,
  MAX_BODY_BYTES_LIMIT,
  MAX_TIMER_SECONDS,
  MIN_AUDIT_LINES,
  MIN_TOOL_TIMEOUT_SECONDS,
} from '../defaults.ts';
import { DURATION } from '../values/duration.ts';
import { authSchema } from './auth.ts';
import { field } from './field.ts';
import { flag, seconds, text, textList } from './shapes.ts';
import { listenerTlsSchema } from './tls.ts';

/** One id of a caller, as it travels in the Authorization header: visible ASCII, spaces only inside. */
const agentId = z.string().regex(/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/);
const duration = z.string().regex(DURATION);
const absolutePath = z.string().regex(/^(?:\/|[A-Za-z]:\\)/);

export const opentelemetrySchema = z.strictObject({
  endpoint: field(z.string().regex(/^https?:\/\/[^/]/), {
    description: 'Address of the collector that takes traces over OTLP/HTTP.',
    expects: 'an http or https URL',
    hint: 'Write for example "https://collector.example.com:4318".',
  }),
  traceId: field(z.string().regex(/^(?!0{32})[0-9a-f]{32}$/), {
    description: "Trace that the gateway's spans belong to.",
    expects: 'a trace id of 32 lower-case hexadecimal digits, not all zero',
  }).optional(),
  spanId: field(z.string().regex(/^(?!0{16})[0-9a-f]{16}$/), {
    description: "Parent of the gateway's spans; has a meaning only beside a trace id.",
    expects: 'a span id of 16 lower-case hexadecimal digits, not all zero',
  }).optional(),
  serviceName: field(text, {
    description: 'Name of the gateway in the tracing system.',
    expects: 'a non-empty string',
    fallback: '`mcp-gateway`',
  }).optional(),
});

export const gatewayFields = {
  port: field(z.int().min(1).max(65_535), {
    description: 'TCP port of the gateway. In JSON it is required.',
    expects: 'an integer between 1 and 65535',
    hint: 'Write a free port such as 8080, or one variable expression such as "${MCP_GATEWAY_PORT}".',
    fallback: `TOML: ${DEFAULT_PORT}`,
  }).optional(),
  domain: field(z.string().regex(/^(?:localhost|host\.docker\.internal|[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)$/), {
    description:
      'Host name under which clients reach the gateway: `localhost`, `host.docker.internal`, or one lower-case host name label. In JSON it is required.',
    expects: "'localhost', 'host.docker.internal', or one lower-case host name label",
    hint: 'Use "localhost" for clients on this machine, "host.docker.internal" for clients in containers.',
    fallback: `TOML: \`${DEFAULT_DOMAIN}\``,
  }).optional(),
  agentId: field(agentId, {
    description:
      'The one id with which callers authenticate. Exclusive with `agentIds`; in JSON one of the two is required, in TOML a random id is made for each start.',
    expects: 'a non-empty string of visible ASCII characters without space at either end',
    hint: 'Write a long random id, best through a variable: "${MCP_GATEWAY_AGENT_ID}".',
    secret: true,
    older: { toml: 'api_key', json: 'apiKey' },
  }).optional(),
  agentIds: field(
    z
      .array(
        field(agentId, {
          description: 'One id.',
          expects: 'a non-empty string of visible ASCII characters without space at either end',
          hint: 'Write a long random id, best through a variable.',
          secret: true,
        }),
      )
      .min(1),
    {
      description: 'Several ids with which callers authenticate, for example during a change of ids.',
      expects: 'a non-empty array of non-empty strings',
      hint: 'List at least one id, or use the single-id field.',
      secret: true,
    },
  ).optional(),
  mode: field(z.enum(['routed', 'unified', 'both']), {
    description:
      '`routed`: one endpoint per server, `/mcp/{server}`. `unified`: all servers behind `/mcp`. `both`: both.',
    fallback: '`both`',
  }).optional(),
  naming: field(z.enum(['prefixed', 'plain']), {
    description:
      'Names on endpoints that several servers share. `prefixed`: `server___tool`. `plain`: as the servers name them; what two servers offer under one name is offered by neither, and `/status` says so.',
    fallback: '`prefixed`',
  }).optional(),
  groups: field(z.record(z.string(), textList.min(1)), {
    description:
      'Groups of servers, by name: each is an endpoint `/mcp/{group}` like the unified one, for its servers only.',
    expects: 'an object of non-empty arrays of server names',
    hint: 'Write for example {"office": ["mail", "calendar"]}; a group cannot have the name of a server.',
    fallback: 'none',
  }).optional(),
  startup: field(z.enum(['strict', 'resilient']), {
    description:
      '`strict`: a server that fails to start ends the gateway with exit status 1. `resilient`: the others are served and the failed one is tried again.',
    fallback: '`strict`',
  }).optional(),
  sequentialLaunch: field(flag, {
    description: 'Start servers one after the other instead of all at once.',
    expects: 'true or false',
    fallback: '`false`',
  }).optional(),
  startupTimeout: field(seconds(1), {
    description: 'Seconds that a server may take to start.',
    expects: `a positive integer (>= 1) of seconds, at most ${MAX_TIMER_SECONDS}`,
    fallback: String(DEFAULT_STARTUP_TIMEOUT_SECONDS),
  }).optional(),
  toolTimeout: field(seconds(MIN_TOOL_TIMEOUT_SECONDS), {
    description: 'Seconds that a server may take to answer a request.',
    expects: `at least ${MIN_TOOL_TIMEOUT_SECONDS} (an integer of seconds, at most ${MAX_TIMER_SECONDS})`,
    fallback: `\`MCP_GATEWAY_TOOL_TIMEOUT\`, else ${DEFAULT_TOOL_TIMEOUT_SECONDS}`,
  }).optional(),
  keepaliveInterval: field(z.int().min(-1).max(MAX_TIMER_SECONDS), {
    description: 'Seconds between keep-alive pings to HTTP servers; 0 means the default, -1 switches them off.',
    expects: 'an integer of seconds: -1 (off), 0 (default) or more',
    fallback: String(DEFAULT_KEEPALIVE_SECONDS),
  }).optional(),
  sessionTimeout: field(duration, {
    description: "A client's session ends after so long without a request. A duration such as `30m` or `4h30m`.",
    expects: 'a duration such as "30m" or "4h30m"',
    hint: 'Write numbers with units: "90s", "30m", "6h", "1h30m".',
    fallback: `\`MCP_GATEWAY_SESSION_TIMEOUT\`, else \`${DEFAULT_SESSION_TIMEOUT}\``,
  }).optional(),
  shutdownTimeout: field(duration, {
    description: 'How long requests in flight may go on after SIGTERM or SIGINT. A duration.',
    expects: 'a duration such as "5s" or "1m"',
    hint: 'Write numbers with units: "5s", "30s", "1m".',
    fallback: `\`${DEFAULT_SHUTDOWN_TIMEOUT}\``,
  }).optional(),
  maxBodyBytes: field(z.int().min(1).max(MAX_BODY_BYTES_LIMIT), {
    description: 'Largest request body that is accepted, in bytes.',
    expects: `an integer between 1 and ${MAX_BODY_BYTES_LIMIT}`,
    fallback: `${DEFAULT_MAX_BODY_BYTES} (4 MiB)`,
  }).optional(),
  maxHeldBodyBytes: field(z.int().min(1), {
    description:
      'Bytes that request bodies of more than 64 KiB may hold together, from their first byte to their answer; requests beyond are answered with 503 (`too_many_bodies`). Never less than `maxBodyBytes`. The process needs about twice as much.',
    expects: 'a positive integer (>= 1)',
    fallback: `${DEFAULT_MAX_HELD_BODY_BYTES} (256 MiB)`,
  }).optional(),
  allowedOrigins: field(
    z.array(
      field(z.string().regex(/^[a-z][a-z0-9+.-]*:\/\/[^/?#@\s*]+$/), {
        description: 'One origin.',
        expects: 'an origin such as "https://app.example.com": scheme, host and port only',
        hint: 'Leave out path and trailing slash, and write each origin by itself: there is no wildcard.',
      }),
    ),
    {
      description: 'Origins of web pages that may call the gateway from a browser.',
      expects: 'an array of origins such as ["https://app.example.com"]',
      fallback: 'none',
    },
  ).optional(),
  allowedHosts: field(
    z.array(
      field(z.string().regex(/^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/), {
        description: 'One host.',
        expects: 'a host name or address, with or without ":port"',
        hint: 'Write it as clients send it in the Host header: "gateway.example.com" or "gateway.example.com:8080".',
      }),
    ),
    {
      description:
        'Values of the Host header that are accepted beside loopback names, the domain and the bound address.',
      expects: 'an array of host names',
      fallback: 'none',
    },
  ).optional(),
  allowedNetworks: field(
    z.array(
      field(
        z.string().refine((place) => parseAllowedPlace(place) !== undefined),
        {
          description: 'One place.',
          expects: 'a network, an address or a host name, the last two with or without ":port"',
          hint: 'Write for example "10.0.0.0/8", "127.0.0.1:9000", "[fd00::1]:443", "mcp.internal" or ".corp.example".',
        },
      ),
    ),
    {
      description:
        'Where MCP servers that are registered over the API may be, beside the public internet: networks, addresses, and host names, which may then stand for any address. Servers of the configuration are not restricted. An empty array: nowhere else.',
      expects: 'an array of networks, addresses and host names',
      fallback:
        '`MCP_GATEWAY_ALLOWED_NETWORKS` (separated by commas), else loopback while only this machine can reach the gateway, else none',
    },
  ).optional(),
  containerRuntime: field(z.enum(['docker', 'podman']), {
    description: 'Engine that runs containers. `MCP_GATEWAY_CONTAINER_RUNTIME` goes before it.',
    fallback: '`docker`',
  }).optional(),
  dockerless: field(flag, {
    description: 'Use Podman; goes before everything else that names an engine.',
    expects: 'true or false',
    fallback: '`false`',
  }).optional(),
  containerRuntimeCommand: field(text, {
    description:
      "The engine's command: its bare name, or an absolute path that ends in it, such as `/usr/local/bin/docker`.",
    expects: 'a non-empty string',
    fallback: 'the name of the engine',
  }).optional(),
  containerRuntimeArgs: field(z.array(z.string()), {
    description: 'Not supported: options before `run` steer the engine itself. Only an empty array is accepted.',
    expects: 'an array of strings',
  }).optional(),
  requireDigests: field(flag, {
    description: 'Accept only images that are pinned by digest (`name@sha256:…`).',
    expects: 'true or false',
    fallback: '`false`',
  }).optional(),
  payloadDir: field(absolutePath, {
    description:
      'Absolute path of the directory for results above the threshold. Without it every result stays inline.',
    expects: 'an absolute path',
    hint: 'Write a path that starts with "/" (or "C:\\" on Windows), or leave the field out to keep every result inline.',
  }).optional(),
  payloadPathPrefix: field(text, {
    description: 'Replaces the payload directory in the paths that clients are given.',
    expects: 'a non-empty string',
  }).optional(),
  payloadSizeThreshold: field(z.int().min(1), {
    description: 'Results larger than so many bytes are written to the payload directory.',
    expects: 'a positive integer (>= 1)',
    fallback: String(DEFAULT_PAYLOAD_SIZE_THRESHOLD),
  }).optional(),
  dataDir: field(absolutePath, {
    description:
      'Absolute path of the directory in which registered servers, accounts and the audit log are kept. It turns the management API on.',
    expects: 'an absolute path',
    hint: 'Write a path that starts with "/" (or "C:\\" on Windows), or leave the field out to store nothing.',
  }).optional(),
  auditKeepDays: field(z.int().min(1).max(MAX_AUDIT_DAYS), {
    description:
      'Lines of the audit log that are older than so many days are removed; export them before. What is left still verifies.',
    expects: `an integer of days between 1 and ${MAX_AUDIT_DAYS}`,
    fallback: 'lines are never removed',
  }).optional(),
  auditKeepLines: field(z.int().min(MIN_AUDIT_LINES), {
    description: 'When the audit log has more lines than this, the oldest are removed; export them before.',
    expects: `an integer of at least ${MIN_AUDIT_LINES}`,
    fallback: 'lines are never removed',
  }).optional(),
  tls: field(listenerTlsSchema, {
    description: 'TLS of the gateway itself. Without it the gateway speaks plain HTTP.',
    expects: 'an object with at least cert and key',
  }).optional(),
  auth: field(authSchema, {
    description: 'Who may call beside agents: which JWTs are accepted. API tokens are made over the management API.',
    expects: 'an object',
  }).optional(),
  hmacSecret: field(text, {
    description:
      'Requests to `/mcp` must also be signed with this secret: headers `X-MCP-Timestamp`, `X-MCP-Nonce` and `X-MCP-Signature`.',
    expects: 'a non-empty string',
    secret: true,
    fallback: 'requests need no signature',
  }).optional(),
  trustedBots: field(textList.min(1), {
    description: 'Further trusted bots. Has no effect until guard policies exist.',
    expects: 'a non-empty array of non-empty strings',
    hint: 'List at least one name, such as "github-actions[bot]", or leave the field out.',
  }).optional(),
  forcePublicRepos: field(flag, {
    description: 'Has no effect until guard policies exist.',
    expects: 'true or false',
    fallback: '`true`',
  }).optional(),
  sinkVisibilityExemptServers: field(textList, {
    description: 'Has no effect until guard policies exist.',
    expects: 'an array of server names, or ["*"]',
  }).optional(),
  opentelemetry: field(opentelemetrySchema, {
    description: 'Tracing. Checked, and then refused: this version has none.',
    expects: 'an object with at least an endpoint',
    older: { toml: 'tracing' },
  }).optional(),
};

export const gatewaySchema = z.strictObject(gatewayFields);
/** In JSON these two must be written. */
export const gatewaySchemaJson = z.strictObject({
  ...gatewayFields,
  port: gatewayFields.port.unwrap(),
  domain: gatewayFields.domain.unwrap(),
});

export type RawGateway = z.output<typeof gatewaySchema>;
