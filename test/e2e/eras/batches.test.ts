/** Batches of clients of 2025-03-26, and their refusal for later versions. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startGateway, type RunningGateway } from '../../rig/gateway.ts';
import { startHttpFixture } from '../../rig/servers.ts';

describe('batches', () => {
  const stack = new AsyncDisposableStack();
  let gateway: RunningGateway;

  beforeAll(async () => {
    const server = stack.use(await startHttpFixture());
    gateway = await startGateway({ config: { mcpServers: { web: { type: 'http', url: server.url } } } });
    stack.defer(async () => void (await gateway.stop()));
  });
  afterAll(() => stack.disposeAsync());

  async function post(body: unknown, session?: string) {
    const response = await fetch(gateway.url('web'), {
      method: 'POST',
      headers: {
        authorization: gateway.authorization,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...(session === undefined ? {} : { 'mcp-session-id': session }),
      },
      body: JSON.stringify(body),
    });
    return {
      status: response.status,
      session: response.headers.get('mcp-session-id') ?? '',
      text: await response.text(),
    };
  }

  async function open(protocolVersion: string): Promise<string> {
    const params = { protocolVersion, capabilities: {}, clientInfo: { name: 'batch', version: '1' } };
    const opened = await post({ jsonrpc: '2.0', id: 0, method: 'initialize', params });
    return opened.session;
  }

  const echo = (id: number | string) => ({
    jsonrpc: '2.0',
    id,
    method: 'tools/call',
    params: { name: 'echo', arguments: { text: `say ${id}` } },
  });

  it('are answered message by message, faults included, notifications not', async () => {
    const session = await open('2025-03-26');
    const { status, text } = await post(
      [echo(1), { jsonrpc: '2.0', method: 'notifications/initialized' }, echo('two'), { jsonrpc: '1.0' }, echo(3)],
      session,
    );
    expect(status).toBe(200);
    const answers = JSON.parse(text.replace(/^[^]*?data: (?=\[)/, '')) as readonly {
      id: unknown;
      result?: object;
      error?: { code: number };
    }[];
    expect(answers.map(({ id }) => id)).toEqual(expect.arrayContaining([1, 'two', 3, null]));
    expect(answers).toHaveLength(4);
    expect(JSON.stringify(answers.find(({ id }) => id === 'two')?.result)).toContain('say two');
    expect(answers.find(({ id }) => id === null)?.error?.code).toBe(-32600);
  });

  it('of notifications alone are accepted', async () => {
    const session = await open('2025-03-26');
    expect((await post([{ jsonrpc: '2.0', method: 'notifications/initialized' }], session)).status).toBe(202);
  });

  it('are refused in versions that have none, and when they hold a handshake', async () => {
    const session = await open('2025-11-25');
    expect((await post([echo(1)], session)).status).toBe(400);
    const older = await open('2025-03-26');
    const { text } = await post(
      [{ jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: '2025-03-26' } }],
      older,
    );
    expect(text).toContain('-32600');
  });
});
