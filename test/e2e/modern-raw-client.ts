/** Posts single requests of the modern era, with exactly the headers and the body that a test wants. */
import type { RawAnswer } from './raw-client.ts';
import { scanMessages } from './scan-messages.ts';

export const MODERN = '2026-07-28';

export interface ModernOptions {
  readonly id?: number | string;
  readonly capabilities?: object;
  /** Further keys of `_meta`. */
  readonly meta?: object;
  /** Added to those that belong to the request, or instead of them. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Called with everything that has come so far. */
  readonly onText?: (text: string) => void;
}

export type ModernClient = (method: string, params?: object, options?: ModernOptions) => Promise<RawAnswer>;

export function modernClient(url: string, authorization: string): ModernClient {
  return async (method, params = {}, options = {}) => {
    const subject = subjectOf(params);
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        authorization,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': MODERN,
        'mcp-method': method,
        ...(subject === undefined ? {} : { 'mcp-name': subject }),
        ...options.headers,
      },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: options.id ?? 1,
        method,
        params: {
          ...params,
          _meta: {
            'io.modelcontextprotocol/protocolVersion': MODERN,
            'io.modelcontextprotocol/clientCapabilities': options.capabilities ?? {},
            'io.modelcontextprotocol/clientInfo': { name: 'raw', version: '1' },
            ...options.meta,
          },
        },
      }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    let body = '';
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) {
      body += decoder.decode(chunk as Uint8Array, { stream: true });
      options.onText?.(body);
    }
    const messages = scanMessages(response.headers.get('content-type') ?? '', body);
    return { status: response.status, headers: response.headers, body, messages, answer: messages.at(-1) ?? {} };
  };
}

function subjectOf(params: object): string | undefined {
  const { name, uri, taskId }: { name?: unknown; uri?: unknown; taskId?: unknown } = params;
  return [name, uri, taskId].find((value) => typeof value === 'string');
}
