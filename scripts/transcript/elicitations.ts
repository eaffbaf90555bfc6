/** Two clients, one of each era, that call a tool which asks the user something, and write down what passes. */

export interface Entry {
  readonly from: 'client' | 'gateway' | 'server';
  /** One line. */
  readonly text: string;
}

type Json = Readonly<Record<string, unknown>>;

const MODERN = '2026-07-28';
const META = {
  'io.modelcontextprotocol/protocolVersion': MODERN,
  'io.modelcontextprotocol/clientInfo': { name: 'modern-client', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': { elicitation: { form: {} } },
};

/** Answers `input_required` by a second request that carries what the user said. `url` is a unified endpoint. */
export async function modernElicitation(url: string, authorization: string): Promise<readonly Entry[]> {
  const entries: Entry[] = [];
  const post = async (id: number, method: string, params: Json): Promise<Json> => {
    const body = JSON.stringify({ jsonrpc: '2.0', id, method, params: { ...params, _meta: META } });
    const name = typeof params['name'] === 'string' ? { 'mcp-name': params['name'] } : {};
    const headers = { ...headersOf(authorization, MODERN), 'mcp-method': method, ...name };
    const response = await fetch(url, { method: 'POST', headers, body });
    const messages = messagesIn(await response.text());
    if (method === 'tools/call') {
      entries.push({ from: 'client', text: `POST ${body}` });
      for (const message of messages)
        entries.push({ from: 'gateway', text: `${response.status} ${JSON.stringify(message)}` });
    }
    return objectOf(messages.at(-1)?.['result']);
  };
  const name = toolEnding(await post(1, 'tools/list', {}), 'test_elicitation', 'old');
  const call = { name, arguments: { message: 'May I have your name?' } };
  const { inputRequests, requestState } = await post(2, 'tools/call', call);
  const [key = ''] = Object.keys(objectOf(inputRequests));
  const inputResponses = { [key]: { action: 'accept', content: { response: 'Ada' } } };
  await post(3, 'tools/call', { ...call, inputResponses, requestState });
  return entries;
}

/** Answers the request that comes on the stream of its call by a POST of its own. `url` is a unified endpoint. */
export async function legacyElicitation(url: string, authorization: string): Promise<readonly Entry[]> {
  const entries: Entry[] = [];
  let session: Record<string, string> = {};
  const post = async (message: Json): Promise<Response> => {
    const headers = { ...headersOf(authorization, '2025-11-25'), ...session };
    return fetch(url, { method: 'POST', headers, body: JSON.stringify(message) });
  };
  const opened = await post({
    jsonrpc: '2.0',
    id: 1,
    method: 'initialize',
    params: {
      protocolVersion: '2025-11-25',
      capabilities: { elicitation: {} },
      clientInfo: { name: 'legacy-client', version: '1' },
    },
  });
  await opened.text();
  session = { 'mcp-session-id': opened.headers.get('mcp-session-id') ?? '' };
  await (await post({ jsonrpc: '2.0', method: 'notifications/initialized' })).text();
  const listed = await post({ jsonrpc: '2.0', id: 2, method: 'tools/list' });
  const tools = objectOf(messagesIn(await listed.text()).at(-1)?.['result']);

  const params = { name: toolEnding(tools, 'neighbour_name', 'young'), arguments: {} };
  const call = { jsonrpc: '2.0', id: 3, method: 'tools/call', params };
  entries.push({ from: 'client', text: `POST ${JSON.stringify(call)}` });
  const response = await post(call);
  let text = '';
  let seen = 0;
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    const whole = messagesIn(text.slice(0, text.lastIndexOf('\n\n') + 1));
    for (const message of whole.slice(seen)) {
      entries.push({ from: 'gateway', text: `event ${JSON.stringify(message)}` });
      if (message['method'] !== 'elicitation/create') continue;
      const result = { action: 'accept', content: { name: 'Ada' } };
      const answer = { jsonrpc: '2.0', id: message['id'], result };
      entries.push({ from: 'client', text: `POST ${JSON.stringify(answer)}` });
      const taken = await post(answer);
      entries.push({ from: 'gateway', text: String(taken.status) });
    }
    seen = whole.length;
  }
  await fetch(url, { method: 'DELETE', headers: { ...headersOf(authorization, '2025-11-25'), ...session } });
  return entries;
}

function headersOf(authorization: string, version: string): Record<string, string> {
  return {
    authorization,
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': version,
  };
}

/** A body that is one JSON object, or an event stream of them. */
function messagesIn(body: string): Json[] {
  if (body.startsWith('{')) return [objectOf(JSON.parse(body))];
  return [...body.matchAll(/^data: (\{.*)$/gm)].map(([, data = '{}']) => objectOf(JSON.parse(data)));
}

/** The name under which the endpoint lists a tool of a server. */
function toolEnding(listing: Json, tool: string, server: string): string {
  const tools = Array.isArray(listing['tools']) ? listing['tools'] : [];
  const names = tools.map((each: unknown) => String(objectOf(each)['name']));
  const found = names.find((name) => name.startsWith(server) && name.endsWith(tool));
  if (found === undefined) throw new Error(`no ${tool} of ${server} among ${names.join(', ')}`);
  return found;
}

function objectOf(value: unknown): Json {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
