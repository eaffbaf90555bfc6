/** What is measured: the requests of each workload, and who takes part in it. */

export interface Workload {
  readonly name: string;
  /** For people. */
  readonly title: string;
  /** Characters of the answer's text, and of padding in the request. */
  readonly answerSize: number;
  readonly padding: number;
  /** Log messages on a stream before the answer; 0 = a JSON answer. */
  readonly events: number;
  readonly era: 'modern' | 'legacy';
  readonly connections: number;
  /** Requests a second; 0 = each connection sends as soon as it has its answer. */
  readonly rate: number;
  /** How the server is reached. */
  readonly wire: 'http' | 'mtls' | 'stdio';
  /** Which endpoint of a gateway: that of the server, or the one that it shares with 19 others. */
  readonly endpoint: 'routed' | 'unified';
  /** Names of contenders. */
  readonly contenders: readonly string[];
  /** Most that Gatehouse may cost, in multiples of nginx. */
  readonly target?: number;
}

const PLAIN = ['nginx', 'haproxy', 'node-proxy', 'gatehouse', 'gatehouse-slow'];
const SMALL = {
  answerSize: 150,
  padding: 20,
  events: 0,
  era: 'modern',
  connections: 32,
  rate: 0,
  wire: 'http',
  endpoint: 'routed',
  contenders: PLAIN,
} as const;

export const WORKLOADS: readonly Workload[] = [
  { ...SMALL, name: 'small', title: 'tools/call, 300 B', target: 2 },
  { ...SMALL, name: 'small-legacy', title: 'tools/call, 300 B, legacy session', era: 'legacy', target: 2 },
  { ...SMALL, name: 'small-2000', title: 'tools/call, 300 B, 2,000 requests/s', rate: 2_000, target: 1.4 },
  { ...SMALL, name: 'unified', title: 'tools/call, 300 B, unified over 20 servers', endpoint: 'unified' },
  { ...SMALL, name: 'sse', title: 'tools/call, 300 B, event stream with 3 messages', events: 3, target: 2 },
  { ...SMALL, name: '10k', title: 'tools/call, 10 KB both ways', answerSize: 10_000, padding: 10_000, target: 3.5 },
  {
    ...SMALL,
    name: '100k',
    title: 'tools/call, 100 KB both ways',
    answerSize: 100_000,
    padding: 100_000,
    connections: 16,
  },
  {
    ...SMALL,
    name: '1m',
    title: 'tools/call, 1 MB both ways',
    answerSize: 1_000_000,
    padding: 1_000_000,
    connections: 8,
    target: 3,
  },
  {
    ...SMALL,
    name: 'mtls',
    title: 'tools/call, 300 B, mTLS to the server',
    wire: 'mtls',
    contenders: ['nginx', 'gatehouse'],
    target: 2.2,
  },
  {
    ...SMALL,
    name: 'peers',
    title: 'tools/call, 300 B, legacy, with the peers',
    era: 'legacy',
    contenders: ['nginx', 'gatehouse', 'sdk-proxy', 'mcp-proxy', 'supergateway'],
  },
];

export const LEGACY_VERSION = '2025-11-25';
const MODERN_VERSION = '2026-07-28';

/** The body, with \x01 for the id, \x02 for the nonce and \x03 for the padding. */
export function bodyOf({ era, answerSize, events }: Workload, tool: string): string {
  const meta =
    era === 'modern'
      ? `"_meta":{"io.modelcontextprotocol/protocolVersion":"${MODERN_VERSION}","io.modelcontextprotocol/clientCapabilities":{}},`
      : '';
  const asked = events > 0 ? `,"events":${events}` : '';
  return `{"jsonrpc":"2.0","id":\x01,"method":"tools/call","params":{${meta}"name":"${tool}","arguments":{"nonce":"\x02","size":${answerSize}${asked},"pad":"\x03"}}}`;
}

/** The headers that clients send, without Content-Length. */
export function headersOf({ era }: Workload, tool: string, session: string | undefined): Record<string, string> {
  return {
    accept: 'application/json, text/event-stream',
    'content-type': 'application/json',
    'user-agent': 'bench/1.0',
    'mcp-protocol-version': era === 'modern' ? MODERN_VERSION : LEGACY_VERSION,
    ...(era === 'modern' ? { 'mcp-method': 'tools/call', 'mcp-name': tool } : {}),
    ...(session === undefined ? {} : { 'mcp-session-id': session }),
  };
}
