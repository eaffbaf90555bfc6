/** A server with one tool, of either era: asked for a shape it answers with that. It never parses what it is sent. */
import { SHAPES } from './shapes.ts';

export type Era = 'modern' | 'legacy';

const LIST = '"resultType":"complete","ttlMs":60000,"cacheScope":"public"';
const SCHEMA = '{"type":"object"}';
/** So much of a message is looked at. */
const HEAD_BYTES = 600;

/** The answer to a message; undefined for those that have none. */
export function answerTo(message: Buffer, era: Era): string | undefined {
  const head = message.toString('latin1', 0, HEAD_BYTES);
  const id = /"id":("[^"]*"|\d+)/.exec(head)?.[1];
  const method = /"method":"([^"]+)"/.exec(head)?.[1] ?? '';
  if (id === undefined) return undefined;
  const result = resultOf(method, head, era);
  return result === undefined
    ? `{"jsonrpc":"2.0","id":${id},"error":{"code":-32601,"message":"no such method"}}`
    : `{"jsonrpc":"2.0","id":${id},"result":${result}}`;
}

function resultOf(method: string, head: string, era: Era): string | undefined {
  const isModern = era === 'modern';
  if (method === 'ping') return '{}';
  if (method === 'tools/list')
    return `{${isModern ? `${LIST},` : ''}"tools":[{"name":"tool","inputSchema":${SCHEMA}}]}`;
  if (method === 'tools/call') {
    const shape = SHAPES[Number(/"shape":(\d+)/.exec(head)?.[1] ?? -1)];
    const type = isModern ? '"resultType":"complete",' : '';
    return `{${type}"content":[{"type":"text","text":"x"}]${shape === undefined ? '' : `,"value":${shape.value()}`}}`;
  }
  if (method === 'server/discover' && isModern)
    return `{${LIST},"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}}}`;
  if (method === 'initialize' && !isModern)
    return '{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"shapes","version":"1"}}';
  return undefined;
}
