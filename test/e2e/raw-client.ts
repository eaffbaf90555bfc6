/** A client that sends exactly the bytes that a test wants, and shows exactly what came back. */
import { scanMessages } from './scan-messages.ts';

export interface RawAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** The body as it came. */
  readonly body: string;
  /** JSON-RPC messages in the body, whether JSON or event stream. */
  readonly messages: readonly RawMessage[];
  /** The last message: the answer. */
  readonly answer: RawMessage;
}

export interface RawMessage {
  readonly id?: unknown;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: Record<string, unknown> };
}

export interface RawClient {
  readonly sessionId: string | undefined;
  /** Posts any text. `onChunk` is called whenever more of the body has come. */
  post(text: string, headers?: Readonly<Record<string, string>>, onChunk?: () => void): Promise<RawAnswer>;
  /** Posts a request and gives its answer. */
  request(method: string, params?: object, id?: number | string, onChunk?: () => void): Promise<RawAnswer>;
  notify(method: string, params?: object): Promise<RawAnswer>;
}

/** Shakes hands unless told not to, and then speaks within the session. */
export async function rawClient(
  url: string,
  authorization: string,
  options: { readonly session?: boolean; readonly capabilities?: object } = {},
): Promise<RawClient> {
  let sessionId: string | undefined;
  const post = async (
    text: string,
    headers: Readonly<Record<string, string>> = {},
    onChunk?: () => void,
  ): Promise<RawAnswer> => {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        authorization,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...(sessionId === undefined ? {} : { 'mcp-session-id': sessionId }),
        ...headers,
      },
      body: text,
    });
    const chunks: Uint8Array[] = [];
    for await (const chunk of response.body ?? []) {
      chunks.push(chunk);
      onChunk?.();
    }
    const body = Buffer.concat(chunks).toString();
    const messages = scanMessages(response.headers.get('content-type') ?? '', body);
    return { status: response.status, headers: response.headers, body, messages, answer: messages.at(-1) ?? {} };
  };
  let nextId = 1;
  const request: RawClient['request'] = (method, params, id = nextId++, onChunk) =>
    post(JSON.stringify({ jsonrpc: '2.0', id, method, params }), {}, onChunk);
  const notify = (method: string, params?: object): Promise<RawAnswer> =>
    post(JSON.stringify({ jsonrpc: '2.0', method, params }));
  if (options.session !== false) {
    const opened = await request('initialize', {
      protocolVersion: '2025-11-25',
      capabilities: options.capabilities ?? {},
      clientInfo: { name: 'raw', version: '1' },
    });
    sessionId = opened.headers.get('mcp-session-id') ?? undefined;
    if (sessionId === undefined) throw new Error(`no session: ${opened.status} ${opened.body}`);
    await notify('notifications/initialized');
  }
  return {
    get sessionId() {
      return sessionId;
    },
    post,
    request,
    notify,
  };
}
