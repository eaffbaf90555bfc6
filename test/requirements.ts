/** Every requirement that a test may cite by its id: section 11 of the MCP Gateway Specification 1.17, and the MUSTs of MCP. */
import { MCP_REQUIREMENT_GROUPS } from './mcp-requirements.ts';
import { TLS_REQUIREMENT_GROUP } from './tls-requirements.ts';

export interface Requirement {
  readonly id: string;
  readonly title: string;
  /** Where it stands, for requirements of the protocol itself. */
  readonly reference?: string;
  /** `npm run check` fails while no test cites it. */
  readonly mandatory?: boolean;
}

export interface RequirementGroup {
  readonly name: string;
  readonly requirements: readonly Requirement[];
}

/** How an id looks in the name of a test. */
export const REQUIREMENT_ID = /\b(?:T|MCP)-[A-Z]+-\d{3}\b/g;

export const REQUIREMENT_GROUPS: readonly RequirementGroup[] = [
  group('Configuration', 'T-CFG', [
    'valid stdio server',
    'valid HTTP server',
    'variables are resolved',
    'an undefined variable fails',
    'payloadDir is absolute',
    'unknown fields are rejected',
    'missing required fields are rejected',
    'an invalid type is rejected',
    'port range',
    'custom type with a schema',
    'custom type that is not registered',
    'custom configuration is checked against its schema',
    'custom type under a reserved name',
    'schemas are fetched and cached',
    'valid mount',
    'mount with missing parts',
    'mount mode',
    'several mounts',
    'mounts on an HTTP server',
  ]),
  group('Protocol translation', 'T-PTL', [
    'stdio request and response',
    'HTTP passthrough',
    'tool signatures are preserved',
    'concurrent requests',
    'large payloads',
    'partial output is buffered',
    'a connection failure is answered',
    'no failure is silent',
  ]),
  group('Isolation', 'T-ISO', [
    'one container for each server',
    'environments are separate',
    'credentials are separate',
    'containers cannot reach each other',
    'a failure stays with its server',
    'mounts are independent',
    'the mount mode is enforced',
    'paths are independent',
  ]),
  group('Authentication', 'T-AUTH', [
    'a valid id is accepted',
    'an invalid id is refused',
    'a missing id is refused',
    'health needs no id',
    'ids can be rotated',
    'trusted bots',
  ]),
  group('Timeouts', 'T-TMO', [
    'startup timeout',
    'tool timeout',
    'the message names server, method and time',
    'a partial response times out',
    'timeouts of concurrent requests are independent',
  ]),
  group('Health', 'T-HLT', [
    'the endpoint answers',
    'liveness',
    'readiness',
    'status of each server',
    'failed servers are restarted',
    'specVersion',
    'gatewayVersion',
    'specVersion is semantic',
    'gatewayVersion is semantic',
  ]),
  group('Output configuration', 'T-OUT', [
    'valid JSON',
    'names every server',
    'type is http',
    'url',
    'headers',
    'Authorization',
    'complete before health answers',
  ]),
  group('Errors', 'T-ERR', [
    'a startup failure is reported',
    'a runtime failure is reported',
    'an invalid request is answered',
    'recovery after a crash',
    'messages say what to do',
  ]),
  group('Lifecycle', 'T-LIFE', [
    'close needs authentication',
    'close answers success',
    'a second close answers 410',
    'containers are ended',
    'resources are released',
    'requests in flight finish',
    'new requests are refused',
  ]),
  group('OpenTelemetry', 'T-OTEL', [
    'works without it',
    'works with it',
    'a missing endpoint is rejected',
    'the scheme of the endpoint is checked',
    'attributes of spans',
    'headers come from the environment',
    'traceparent',
    'random span id',
    'a failing export does no harm',
    'service.name',
  ]),
  group('Guard policies', 'T-GP', [
    'blocked users',
    'trusted users',
    'approval labels',
    'refusal labels',
    'refusal beats approval',
    'refusal beats trusted users',
    'blocked beats refusal',
    'an empty list does nothing',
    'a list from an expression',
    'min-integrity none',
  ]),
  group('Write sinks', 'T-WS', [
    'a public sink blocks secrets',
    'a public sink lets an empty secrecy pass',
    'accept decides otherwise',
    'forcePublicRepos on',
    'forcePublicRepos off',
    'override at run time',
    'skipped when omitted',
    'a declared public is never relaxed',
  ]),
  TLS_REQUIREMENT_GROUP,
  ...MCP_REQUIREMENT_GROUPS,
];

function group(name: string, prefix: string, titles: readonly string[]): RequirementGroup {
  const requirements = titles.map((title, index) => ({
    id: `${prefix}-${String(index + 1).padStart(3, '0')}`,
    title,
  }));
  return { name, requirements };
}
