/** What clients send: the body and the headers of requests of both eras. */
import type { Running } from '../contender.ts';
import type { CallRequest, ListRequest } from './load-workload.ts';

export const LEGACY_VERSION = '2025-11-25';
export const MODERN_VERSION = '2026-07-28';

const META = {
  'io.modelcontextprotocol/protocolVersion': MODERN_VERSION,
  'io.modelcontextprotocol/clientCapabilities': {},
};

type Era = 'modern' | 'legacy';

/** The text of a request. */
export function requestText(era: Era, method: string, params: object = {}, id: number | string = 1): string {
  const stamped = era === 'modern' ? { _meta: META, ...params } : params;
  return JSON.stringify({ jsonrpc: '2.0', id, method, params: stamped });
}

/** The body, with \x01 for the id, \x02 for the nonce and \x03 for the padding. */
export function bodyOf(request: CallRequest | ListRequest, era: Era, tool: string): string {
  const [method, params] =
    request.kind === 'list'
      ? ['tools/list', {}]
      : [
          'tools/call',
          {
            name: tool,
            arguments: {
              nonce: 'NONCE',
              size: request.answerSize,
              ...(request.events > 0 ? { events: request.events } : {}),
              pad: 'PAD',
            },
          },
        ];
  return requestText(era, method, params, 'ID')
    .replace('"ID"', '\x01')
    .replace('"NONCE"', '"\x02"')
    .replace('"PAD"', '"\x03"');
}

/** The headers that clients send, without Content-Length. */
export function headersOf(era: Era, method: string, tool?: string, session?: string): Record<string, string> {
  return {
    accept: 'application/json, text/event-stream',
    'content-type': 'application/json',
    'user-agent': 'bench/1.0',
    'mcp-protocol-version': era === 'modern' ? MODERN_VERSION : LEGACY_VERSION,
    ...(era === 'modern' ? { 'mcp-method': method } : {}),
    ...(era === 'modern' && tool !== undefined ? { 'mcp-name': tool } : {}),
    ...(session === undefined ? {} : { 'mcp-session-id': session }),
  };
}

/** Posts one message; its answer as text. Rejects unless the answer is a success. */
export async function post(
  target: Running,
  body: string,
  more: Readonly<Record<string, string>>,
): Promise<{ readonly text: string; readonly headers: Headers }> {
  const response = await fetch(`http://${target.host}:${target.port}${target.path}`, {
    method: 'POST',
    headers: { ...target.headers(0), ...more },
    body,
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.status} ${text.slice(0, 300)}`);
  return { text, headers: response.headers };
}

/** Shakes hands as a legacy client does; the id of the session, or undefined where there are none. */
export async function openSession(target: Running): Promise<string | undefined> {
  const clientInfo = { name: 'bench', version: '1' };
  const params = { protocolVersion: LEGACY_VERSION, capabilities: {}, clientInfo };
  const { 'mcp-protocol-version': _, ...headers } = headersOf('legacy', 'initialize');
  const answer = await post(target, requestText('legacy', 'initialize', params), headers);
  const session = answer.headers.get('mcp-session-id') ?? undefined;
  if (session === undefined) return undefined;
  const initialized = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' });
  await post(target, initialized, headersOf('legacy', 'notifications/initialized', undefined, session));
  return session;
}
