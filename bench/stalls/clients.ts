/** The clients of the stalls: each sends one call of the tool, over one of the ways that clients have, and says what came of it. */
import { once } from 'node:events';
import { WebSocket } from 'ws';
import type { RunningGateway } from '../../test/rig/gateway.ts';
import { rawClient } from '../../test/e2e/raw-client.ts';

export interface Caller extends AsyncDisposable {
  /** Calls the tool with these arguments, raw JSON text. Resolves with a word on the outcome. */
  call(args: string): Promise<string>;
}

export type ClientKind = 'modern' | 'modern in chunks' | 'legacy' | 'websocket' | 'sse';

const META =
  '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}';
const JSON_HEADERS = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
const MODERN_HEADERS = {
  ...JSON_HEADERS,
  'mcp-protocol-version': '2026-07-28',
  'mcp-method': 'tools/call',
};
/** The name of the tool of the server `web` on the endpoint of all servers. */
const UNIFIED_TOOL = 'web___tool';
const INITIALIZE =
  '{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"stalls","version":"1"}}}';
const INITIALIZED = '{"jsonrpc":"2.0","method":"notifications/initialized"}';
const PIECE = 64 * 1024;
const nothing = (): Promise<void> => Promise.resolve();

export function openCaller(kind: ClientKind, gateway: RunningGateway, server: string | undefined): Promise<Caller> {
  if (kind === 'legacy') return legacy(gateway, server);
  if (kind === 'websocket') return webSocket(gateway, server);
  if (kind === 'sse') return eventStream(gateway, server);
  return Promise.resolve(modern(gateway, server, kind === 'modern in chunks'));
}

function callText(args: string, meta = '', tool = 'tool'): string {
  return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{${meta}"name":"${tool}","arguments":${args}}}`;
}

function modern(gateway: RunningGateway, server: string | undefined, inChunks: boolean): Caller {
  const tool = server === undefined ? UNIFIED_TOOL : 'tool';
  const headers = { ...MODERN_HEADERS, 'mcp-name': tool, authorization: gateway.authorization };
  return {
    call: async (args) => {
      const text = callText(args, `${META},`, tool);
      const options = { method: 'POST', headers, body: inChunks ? chunked(text) : text, duplex: 'half' } as const;
      try {
        const response = await fetch(gateway.url(server), options);
        return outcomeOf(await response.text(), response.status);
      } catch {
        return 'cut';
      }
    },
    [Symbol.asyncDispose]: nothing,
  };
}

/** Of a length that nobody announces: never the business of the fast path. */
function chunked(text: string): ReadableStream<Uint8Array> {
  const bytes = Buffer.from(text);
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      controller.enqueue(bytes.subarray(at, at + PIECE));
      at += PIECE;
      if (at >= bytes.length) controller.close();
    },
  });
}

async function legacy(gateway: RunningGateway, server: string | undefined): Promise<Caller> {
  const { sessionId = '' } = await rawClient(gateway.url(server), gateway.authorization);
  const headers = { ...JSON_HEADERS, authorization: gateway.authorization, 'mcp-session-id': sessionId };
  return {
    call: async (args) => {
      try {
        const response = await fetch(gateway.url(server), { method: 'POST', headers, body: callText(args) });
        return outcomeOf(await response.text(), response.status);
      } catch {
        return 'cut';
      }
    },
    [Symbol.asyncDispose]: nothing,
  };
}

async function webSocket(gateway: RunningGateway, server: string | undefined): Promise<Caller> {
  const { authorization } = gateway;
  let socket: WebSocket | undefined;
  const open = async (): Promise<WebSocket> => {
    const fresh = new WebSocket(gateway.url(server).replace(/^http/, 'ws'), 'mcp', { headers: { authorization } });
    await once(fresh, 'open');
    fresh.send(INITIALIZE);
    await once(fresh, 'message');
    fresh.send(INITIALIZED);
    return fresh;
  };
  return {
    call: async (args) => {
      socket ??= await open();
      const used = socket;
      const { promise, resolve } = Promise.withResolvers<string>();
      const onMessage = (data: Buffer): void => resolve(outcomeOf(data.toString('latin1'), 0));
      const onClose = (code: number): void => resolve(`closed ${code}`);
      used.once('message', onMessage).once('close', onClose);
      used.send(callText(args));
      const outcome = await promise;
      used.off('message', onMessage).off('close', onClose);
      if (used.readyState !== used.OPEN) socket = undefined;
      return outcome;
    },
    [Symbol.asyncDispose]: async () => socket?.terminate(),
  };
}

/** HTTP+SSE of 2024-11-05: answers come on one stream, messages are posted. */
async function eventStream(gateway: RunningGateway, server: string | undefined): Promise<Caller> {
  const { authorization } = gateway;
  const leave = new AbortController();
  const stream = await fetch(server === undefined ? `${gateway.origin}/sse` : `${gateway.url(server)}/sse`, {
    headers: { authorization, accept: 'text/event-stream' },
    signal: leave.signal,
  });
  let waiting: ((text: string) => void) | undefined;
  const next = (): Promise<string> => new Promise((resolve) => (waiting = resolve));
  const endpoint = next();
  void (async () => {
    const held: Uint8Array[] = [];
    for await (const piece of (stream.body ?? []) as AsyncIterable<Uint8Array>) {
      held.push(piece);
      if (!Buffer.from(piece.subarray(-2)).equals(Buffer.from('\n\n'))) continue;
      const text = Buffer.concat(held.splice(0)).toString('latin1');
      if (!text.startsWith(':')) waiting?.(text);
    }
  })().catch(() => undefined);
  const path = /data: (\S+)/.exec(await endpoint)?.[1] ?? '';
  const post = async (body: string): Promise<Response> =>
    fetch(`${gateway.origin}${path}`, { method: 'POST', headers: { ...JSON_HEADERS, authorization }, body });
  const opened = next();
  await post(INITIALIZE);
  await opened;
  await post(INITIALIZED);
  return {
    call: async (args) => {
      const answer = next();
      const response = await post(callText(args));
      const text = await response.text();
      return response.status === 202 ? outcomeOf(await answer, 202) : outcomeOf(text, response.status);
    },
    [Symbol.asyncDispose]: async () => leave.abort(),
  };
}

function outcomeOf(text: string, status: number): string {
  const end = text.slice(-2_000);
  const refused = /"error":"(\w+)"/.exec(end)?.[1] ?? (end.includes('"error":') ? 'error' : undefined);
  return refused ?? (status === 0 || status < 300 ? 'ok' : String(status));
}
