/** A small MCP server over streamable HTTP whose every answer a test may replace, and which remembers all that it got. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { vi } from 'vitest';

export interface ReceivedMessage {
  readonly id?: number | string;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: unknown;
}

/** One message that the gateway posted, and the ways to answer it. */
export interface Received {
  readonly message: ReceivedMessage;
  /** `params.name`: the tool, where one is called. */
  readonly tool: unknown;
  readonly sessionId: string | undefined;
  readonly response: ServerResponse;
  /** Answers with a result as plain JSON, or as the last event when `event` was called before. */
  result(result: unknown): void;
  /** Sends a message ahead of the answer, on an event stream. */
  event(message: object): void;
  /** Answers with exactly this body. */
  body(text: string): void;
}

export interface StandingStream {
  readonly sessionId: string | undefined;
  send(message: object): void;
}

export interface FakeServer extends AsyncDisposable {
  readonly url: string;
  /** All messages, oldest first, and the same as text. */
  readonly messages: readonly ReceivedMessage[];
  readonly texts: readonly string[];
  /** The sessions that it knows; clear it and it has forgotten them. */
  readonly sessions: Set<string>;
  /** The GET streams that were opened, oldest first. */
  readonly streams: readonly StandingStream[];
  /** Resolves with the first messages of this method (and tool) once there are so many. */
  got(method: string, options?: { readonly tool?: string; readonly count?: number }): Promise<ReceivedMessage[]>;
  /** Resolves once so many GET streams are open. */
  listening(count: number): Promise<void>;
}

export interface FakeServerOptions {
  readonly capabilities?: object;
  /** False: it gives out no session ids. */
  readonly keepsSessions?: boolean;
  /** False: GET is 405. */
  readonly standsStream?: boolean;
  readonly tools?: () => readonly object[];
  /** Sees each message first; true when it has taken care of the answer. */
  readonly on?: (received: Received) => boolean | void | Promise<boolean | void>;
}

const EVENT_STREAM = { 'content-type': 'text/event-stream' };
const ALL = { tools: { listChanged: true }, logging: {}, resources: { subscribe: true } };

export async function startFakeServer(options: FakeServerOptions = {}): Promise<FakeServer> {
  const { capabilities = ALL, keepsSessions = true, standsStream = true, tools = () => [tool('t')] } = options;
  const messages: ReceivedMessage[] = [];
  const texts: string[] = [];
  const sessions = new Set<string>();
  const streams: StandingStream[] = [];
  let opened = 0;

  const answer = (received: Received): void => {
    const { message, sessionId, response } = received;
    if (keepsSessions && message.method !== 'initialize' && !sessions.has(sessionId ?? '')) {
      response.writeHead(404).end();
    } else if (message.id === undefined || message.method === undefined) {
      response.writeHead(202).end();
    } else if (message.method === 'initialize') {
      if (keepsSessions) {
        const id = `session-${++opened}`;
        sessions.add(id);
        response.setHeader('mcp-session-id', id);
      }
      const { protocolVersion } = message.params ?? {};
      received.result({ protocolVersion, capabilities, serverInfo: { name: 'fake', version: '1' } });
    } else if (message.method === 'tools/list') {
      received.result({ tools: tools() });
    } else {
      received.result(message.method === 'tools/call' ? content(`ok ${String(received.tool)}`) : {});
    }
  };
  const post = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const text = await readText(request);
    const message = JSON.parse(text) as ReceivedMessage;
    texts.push(text);
    messages.push(message);
    const received = receivedOn(response, message, sessionIdOf(request));
    if ((await options.on?.(received)) !== true) answer(received);
  };
  const open = (sessionId: string | undefined, response: ServerResponse): void => {
    if (!standsStream) return void response.writeHead(405).end();
    response.writeHead(200, EVENT_STREAM).flushHeaders();
    streams.push({ sessionId, send: (message) => void response.write(eventText(message)) });
  };
  const server = createServer((request, response) => {
    // The gateway may be gone when an answer that a test has delayed is written.
    response.on('error', () => {});
    if (request.method === 'GET') return open(sessionIdOf(request), response);
    if (request.method === 'DELETE') {
      sessions.delete(sessionIdOf(request) ?? '');
      return void response.writeHead(204).end();
    }
    post(request, response).catch(() => response.destroy());
  });
  // The default of five seconds would close connections under a test that has to wait.
  server.keepAliveTimeout = 60_000;
  const port = await listen(server);
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    messages,
    texts,
    sessions,
    streams,
    got: (method, { tool: name, count = 1 } = {}) =>
      vi.waitFor(
        () => {
          const found = messages.filter((each) => each.method === method && (!name || each.params?.['name'] === name));
          if (found.length < count) throw new Error(`${found.length} of ${count} messages "${method}" have come`);
          return found;
        },
        { timeout: 20_000, interval: 10 },
      ),
    listening: (count) =>
      vi.waitFor(
        () => {
          if (streams.length < count) throw new Error(`${streams.length} of ${count} streams are open`);
        },
        { timeout: 20_000, interval: 10 },
      ),
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

export function tool(name: string, more: object = {}): object {
  return { name, inputSchema: { type: 'object' }, ...more };
}

/** The result of a tool that says one text. */
export function content(text: string): object {
  return { content: [{ type: 'text', text }] };
}

function receivedOn(response: ServerResponse, message: ReceivedMessage, sessionId: string | undefined): Received {
  const json = { 'content-type': 'application/json' };
  return {
    message,
    sessionId,
    response,
    tool: message.params?.['name'],
    result(result) {
      const answer = { jsonrpc: '2.0', id: message.id, result };
      if (response.headersSent) response.end(eventText(answer));
      else response.writeHead(200, json).end(JSON.stringify(answer));
    },
    event(event) {
      if (!response.headersSent) response.writeHead(200, EVENT_STREAM);
      response.write(eventText(event));
    },
    body: (text) => void response.writeHead(200, json).end(text),
  };
}

function eventText(message: object): string {
  return `event: message\ndata: ${JSON.stringify({ jsonrpc: '2.0', ...message })}\n\n`;
}

function sessionIdOf(request: IncomingMessage): string | undefined {
  const value = request.headers['mcp-session-id'];
  return typeof value === 'string' ? value : undefined;
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}
