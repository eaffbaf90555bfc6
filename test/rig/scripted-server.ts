/** A server of the modern era over HTTP whose every answer the test writes itself, and which shows every request. */
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ScriptedRequest {
  readonly verb: string;
  readonly headers: IncomingHttpHeaders;
  readonly id?: unknown;
  readonly method?: string;
  readonly params: Readonly<Record<string, unknown>>;
  /** Settles when the gateway has gone away or the answer has ended. */
  readonly closed: Promise<void>;
}

/** `result` or `error` of JSON-RPC, `status` and `headers` of HTTP, or nothing for an answer that never comes. */
export type ScriptedAnswer =
  | {
      readonly result?: object;
      readonly error?: object;
      readonly status?: number;
      readonly headers?: Readonly<Record<string, string>>;
    }
  | undefined;

export interface ScriptedServer extends AsyncDisposable {
  readonly url: string;
  /** Everything that was asked, oldest first. */
  readonly received: readonly ScriptedRequest[];
}

const LIST = { resultType: 'complete', ttlMs: 0, cacheScope: 'private' };
const TOOL = { name: 'tool', inputSchema: { type: 'object' } };

/** What a server with one tool answers; `script` may answer otherwise and is asked first. */
const USUAL: Readonly<Record<string, object>> = {
  'server/discover': {
    ...LIST,
    supportedVersions: ['2026-07-28'],
    capabilities: { tools: { listChanged: true }, resources: {} },
    _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'scripted', version: '1' } },
  },
  'tools/list': { ...LIST, tools: [TOOL] },
  'resources/list': { ...LIST, resources: [{ name: 'one', uri: 'scripted://one' }] },
  'resources/templates/list': { ...LIST, resourceTemplates: [] },
  'resources/read': { ...LIST, contents: [{ uri: 'scripted://one', text: 'one' }] },
  'tools/call': { resultType: 'complete', content: [{ type: 'text', text: 'called' }] },
};

export async function startScriptedServer(
  script: (request: ScriptedRequest) => ScriptedAnswer | 'usual' | Promise<ScriptedAnswer | 'usual'> = () => 'usual',
): Promise<ScriptedServer> {
  const received: ScriptedRequest[] = [];
  const http = createServer((message, response) => {
    const chunks: Uint8Array[] = [];
    message.on('data', (chunk: Uint8Array) => chunks.push(chunk));
    message.on('end', () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      response.once('close', () => resolve());
      const body = Buffer.concat(chunks).toString();
      const parsed: { id?: unknown; method?: string; params?: Record<string, unknown> } =
        body === '' ? {} : JSON.parse(body);
      const { id, method, params = {} } = parsed;
      const request: ScriptedRequest = {
        verb: message.method ?? '',
        headers: message.headers,
        params,
        closed: promise,
        ...(id === undefined ? {} : { id }),
        ...(method === undefined ? {} : { method }),
      };
      received.push(request);
      const reply = (answer: ScriptedAnswer | 'usual'): void => {
        if (answer !== undefined) send(response, id, answer === 'usual' ? usual(request) : answer);
      };
      const answer = script(request);
      if (answer instanceof Promise) void answer.then(reply);
      else reply(answer);
    });
  });
  // The default of five seconds would close connections under a test that has to wait.
  http.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => {
    http.listen(0, '127.0.0.1', resolve);
  });
  const { port } = http.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    received,
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise<void>((resolve) => {
        http.close(() => resolve());
      });
      http.closeAllConnections();
      await closed;
    },
  };
}

function usual({ verb, method = '' }: ScriptedRequest): NonNullable<ScriptedAnswer> {
  if (verb !== 'POST') return { status: 405 };
  const result = USUAL[method];
  return result === undefined ? { status: 404, error: { code: -32_601, message: 'Method not found' } } : { result };
}

function send(
  response: ServerResponse,
  id: unknown,
  { status = 200, headers = {}, ...answer }: NonNullable<ScriptedAnswer>,
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify({ jsonrpc: '2.0', id: id ?? null, ...answer }));
}
