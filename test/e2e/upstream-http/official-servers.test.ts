import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { NodeStreamableHTTPServerTransport } from '@modelcontextprotocol/node';
import { Server as ServerV1 } from '@modelcontextprotocol/sdk/server/index.js';
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { McpServer } from '@modelcontextprotocol/server';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { isTransportMismatch } from '../../../src/upstream/http/http-status.ts';
import { handshake, INITIALIZE, openWire, type Wire } from './harness.ts';

interface Session {
  handle(request: IncomingMessage, response: ServerResponse): Promise<void>;
  notify(): Promise<void>;
}

interface OfficialServer extends AsyncDisposable {
  readonly origin: string;
  readonly sessions: Map<string, Session>;
  readonly log: string[];
}

type Route = (request: IncomingMessage, response: ServerResponse, server: OfficialServer) => Promise<void>;

async function serve(route: Route): Promise<OfficialServer> {
  const http = createServer((request, response) => {
    server.log.push(request.method ?? '');
    route(request, response, server).catch((error: unknown) => response.writeHead(500).end(String(error)));
  });
  await new Promise<void>((resolve) => {
    http.listen(0, '127.0.0.1', resolve);
  });
  const { port } = http.address() as AddressInfo;
  const server: OfficialServer = {
    origin: `http://127.0.0.1:${port}`,
    sessions: new Map(),
    log: [],
    [Symbol.asyncDispose]: async () => {
      http.closeAllConnections();
      await new Promise<void>((resolve) => {
        http.close(() => resolve());
      });
    },
  };
  return server;
}

const ECHO_TOOL = {
  name: 'echo',
  title: 'Echo',
  inputSchema: { type: 'object' as const, properties: { text: { type: 'string' } }, required: ['text'] },
  outputSchema: { type: 'object' as const, properties: { text: { type: 'string' } } },
  annotations: { readOnlyHint: true },
};

/** Echoes, with a notification of progress on the stream of the call; `ask` asks the client for its roots. */
function featureServer(): ServerV1 {
  const server = new ServerV1({ name: 'v1', version: '1' }, { capabilities: { tools: { listChanged: true } } });
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: [ECHO_TOOL] }));
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
    if (params.name === 'ask') {
      const { roots } = await extra.sendRequest({ method: 'roots/list' }, z.object({ roots: z.array(z.unknown()) }));
      return { content: [{ type: 'text', text: `${roots.length} roots` }] };
    }
    const token = params._meta?.progressToken;
    if (token !== undefined) {
      await extra.sendNotification({ method: 'notifications/progress', params: { progressToken: token, progress: 1 } });
    }
    const text = String(params.arguments?.['text']);
    return { content: [{ type: 'text', text }], structuredContent: { text } };
  });
  return server;
}

const streamableV1 =
  (options: { json?: boolean; stateless?: boolean } = {}): Route =>
  async (request, response, server) => {
    const known = server.sessions.get(String(request.headers['mcp-session-id']));
    if (known !== undefined) return known.handle(request, response);
    if (request.headers['mcp-session-id'] !== undefined) return void response.writeHead(404).end();
    const mcp = featureServer();
    const transport = new StreamableHTTPServerTransport({
      enableJsonResponse: options.json === true,
      ...(options.stateless === true ? {} : { sessionIdGenerator: () => randomUUID() }),
      onsessioninitialized: (id) => {
        server.sessions.set(id, {
          handle: (next, answer) => transport.handleRequest(next, answer),
          notify: () => mcp.sendToolListChanged(),
        });
      },
      onsessionclosed: (id) => {
        server.sessions.delete(id);
      },
    });
    await mcp.connect(transport);
    await transport.handleRequest(request, response);
  };

const sseV1: Route = async (request, response, server) => {
  const url = new URL(request.url ?? '/', server.origin);
  if (url.pathname === '/mcp' && request.method === 'GET') {
    const mcp = featureServer();
    const transport = new SSEServerTransport('/messages', response);
    server.sessions.set(transport.sessionId, {
      handle: (next, answer) => transport.handlePostMessage(next, answer),
      notify: () => mcp.sendToolListChanged(),
    });
    return mcp.connect(transport);
  }
  const session = server.sessions.get(url.searchParams.get('sessionId') ?? '');
  if (session === undefined)
    return void response.writeHead(request.method === 'POST' && url.pathname === '/mcp' ? 405 : 404).end();
  return session.handle(request, response);
};

const streamableV2: Route = async (request, response, server) => {
  const known = server.sessions.get(String(request.headers['mcp-session-id']));
  if (known !== undefined) return known.handle(request, response);
  const mcp = new McpServer({ name: 'v2', version: '2' });
  mcp.registerTool('echo', { inputSchema: z.object({ text: z.string() }) }, ({ text }) => ({
    content: [{ type: 'text', text }],
  }));
  const transport = new NodeStreamableHTTPServerTransport({
    sessionIdGenerator: () => randomUUID(),
    onsessioninitialized: (id) => {
      server.sessions.set(id, {
        handle: (next, answer) => transport.handleRequest(next, answer),
        notify: () => Promise.resolve(mcp.sendToolListChanged()),
      });
    },
    onsessionclosed: (id) => {
      server.sessions.delete(id);
    },
  });
  await mcp.connect(transport);
  await transport.handleRequest(request, response);
};

async function echoAll(wire: Wire, count: number): Promise<void> {
  const answers = await Promise.all(
    Array.from({ length: count }, (_, index) =>
      wire.call(100 + index, 'tools/call', { name: 'echo', arguments: { text: `text ${index}` } }),
    ),
  );
  expect(answers).toHaveLength(count);
  answers.forEach((answer, index) => {
    expect(answer['result']).toMatchObject({ content: [{ type: 'text', text: `text ${index}` }] });
  });
}

describe('streamable HTTP with the official servers', () => {
  it.each([
    ['SDK 1.x, event streams', streamableV1()],
    ['SDK 1.x, JSON answers', streamableV1({ json: true })],
    ['SDK 2.x', streamableV2],
  ])(
    'T-PTL-002 T-PTL-004 %s: handshake, concurrent calls, server messages, end of the session',
    async (_name, route) => {
      await using server = await serve(route);
      await using wire = await openWire(`${server.origin}/mcp`);
      const initialized = await handshake(wire);
      expect(initialized['result']).toMatchObject({ protocolVersion: '2025-11-25' });
      await echoAll(wire, 20);

      void wire.transport.listen?.();
      const before = wire.messages.length;
      const [session] = server.sessions.values();
      // The stream is open when a notification gets through; until then the server has nowhere to put it.
      const notify = setInterval(() => void session?.notify(), 20);
      await wire.received(before + 1);
      clearInterval(notify);
      expect(wire.messages.at(-1)?.requestId).toBeUndefined();
      expect(wire.messages.at(-1)?.text).toContain('notifications/tools/list_changed');

      await wire.transport.close();
      expect(server.log.at(-1)).toBe('DELETE');
      expect(server.sessions.size).toBe(0);
      expect(wire.closed).toEqual([]);
    },
  );

  it('T-PTL-003 the text of a listing arrives with every field of the tool', async () => {
    await using server = await serve(streamableV1());
    await using wire = await openWire(`${server.origin}/mcp`);
    await handshake(wire);
    const answer = await wire.call(1, 'tools/list');
    expect(answer['result']).toEqual({ tools: [ECHO_TOOL] });
  });

  it('delivers progress and requests of the server on the stream of the call, with the id of that call', async () => {
    await using server = await serve(streamableV1());
    await using wire = await openWire(`${server.origin}/mcp`);
    await handshake(wire);
    await wire.call(1, 'tools/call', { name: 'echo', arguments: { text: 'x' }, _meta: { progressToken: 'p' } });
    const progress = wire.messages.find(({ text }) => text.includes('notifications/progress'));
    expect(progress?.requestId).toBe('1');

    const asked = wire.call(2, 'tools/call', { name: 'ask' });
    const before = wire.messages.length;
    await wire.received(before + 1);
    const request = wire.messages.at(-1);
    expect(request?.requestId).toBe('2');
    const { id } = JSON.parse(request?.text ?? '{}') as { id: unknown };
    await wire.transport.send(JSON.stringify({ jsonrpc: '2.0', id, result: { roots: [{ uri: 'file:///a' }] } }));
    expect((await asked)['result']).toMatchObject({ content: [{ text: '1 roots' }] });
  });

  it('works with a server that gives out no session, and sends it no DELETE', async () => {
    await using server = await serve(streamableV1({ stateless: true }));
    await using wire = await openWire(`${server.origin}/mcp`);
    await handshake(wire);
    await echoAll(wire, 5);
    await wire.transport.close();
    expect(server.log).not.toContain('DELETE');
  });

  it('tells once that the session is lost when the server has forgotten it', async () => {
    await using server = await serve(streamableV1());
    await using wire = await openWire(`${server.origin}/mcp`);
    await handshake(wire);
    server.sessions.clear();
    const failures = await Promise.allSettled([wire.call(1, 'ping'), wire.call(2, 'ping')]);
    for (const failure of failures)
      expect(failure).toMatchObject({ status: 'rejected', reason: { code: 'server_session_lost' } });
    expect(wire.closed.map(({ code }) => code)).toEqual(['server_session_lost']);
    await expect(wire.call(3, 'ping')).rejects.toMatchObject({ code: 'server_session_lost' });
    await wire.transport.close();
    expect(server.log).not.toContain('DELETE');
  });
});

describe('HTTP+SSE with the official server', () => {
  it('T-PTL-002 answers, server messages and the end of the stream', async () => {
    await using server = await serve(sseV1);
    await using wire = await openWire(`${server.origin}/mcp`, { kind: 'sse' });
    await handshake(wire);
    await echoAll(wire, 10);
    const [session] = server.sessions.values();
    const before = wire.messages.length;
    await session?.notify();
    await wire.received(before + 1);
    expect(wire.messages.at(-1)).toMatchObject({
      requestId: undefined,
      text: expect.stringContaining('list_changed') as unknown,
    });
  });

  it('is the second candidate: POST of initialize to such a server is a mismatch and nothing else', async () => {
    await using server = await serve(sseV1);
    await using wire = await openWire(`${server.origin}/mcp`);
    const failure: unknown = await wire.call(0, 'initialize', INITIALIZE).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'server_protocol_error', detail: 'the server answered POST with HTTP 405' });
    expect(isTransportMismatch(failure)).toBe(true);
  });
});
