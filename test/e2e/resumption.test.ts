/** A client that loses the stream of an answer comes back for the rest (2025-11-25, basic/transports, "Resumability and Redelivery"). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startGateway, type RunningGateway } from '../rig/gateway.ts';
import { startHttpFixture, type HttpFixture } from '../rig/servers.ts';
import { rawClient } from './raw-client.ts';

const CALL = { name: 'slow', arguments: { ms: 4_000, steps: 4, label: 'late' }, _meta: { progressToken: 'p' } };

describe('streams that break off', () => {
  let web: HttpFixture;
  let gateway: RunningGateway;

  beforeAll(async () => {
    web = await startHttpFixture();
    gateway = await startGateway({ config: { mcpServers: { web: { type: 'http', url: web.url } } } });
  });
  afterAll(async () => {
    await gateway.stop();
    await web[Symbol.asyncDispose]();
  });

  /** Begins the call, reads until the first progress, and leaves. Answers with the last event id and what was read. */
  async function beginAndLeave(headers: Record<string, string>): Promise<{ lastEventId: string; text: string }> {
    const leaving = new AbortController();
    const response = await fetch(gateway.url('web'), {
      method: 'POST',
      headers,
      body: JSON.stringify({ jsonrpc: '2.0', id: 7, method: 'tools/call', params: CALL }),
      signal: leaving.signal,
    });
    let text = '';
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk as Uint8Array, { stream: true });
      if (text.includes('notifications/progress')) break;
    }
    leaving.abort();
    return { lastEventId: [...text.matchAll(/^id: (.+)$/gm)].at(-1)?.[1] ?? '', text };
  }

  async function headersOf(protocolVersion: string): Promise<Record<string, string>> {
    const opened = await fetch(gateway.url('web'), {
      method: 'POST',
      headers: { ...common(), 'content-type': 'application/json' },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'initialize',
        params: { protocolVersion, capabilities: {}, clientInfo: { name: 'raw', version: '1' } },
      }),
    });
    await opened.text();
    return {
      ...common(),
      'content-type': 'application/json',
      'mcp-session-id': opened.headers.get('mcp-session-id') ?? '',
      'mcp-protocol-version': protocolVersion,
    };
  }

  const common = (): Record<string, string> => ({
    authorization: gateway.authorization,
    accept: 'application/json, text/event-stream',
  });

  it('MCP-SES-010 MCP-CAN-004 the call goes on without its client, which gets the rest by Last-Event-ID, each message once', async () => {
    const headers = await headersOf('2025-11-25');
    const { lastEventId, text } = await beginAndLeave(headers);
    expect(lastEventId).toMatch(/^[\x21-\x7e]+$/);
    const rest = await fetch(gateway.url('web'), { headers: { ...headers, 'last-event-id': lastEventId } });
    expect(rest.status).toBe(200);
    const more = await rest.text();
    expect(more).toContain('"id":7');
    const steps = [...(text + more).matchAll(/"progress":(\d)/g)].map(([, step]) => step);
    expect(steps).toEqual(['1', '2', '3', '4']);
  });

  it('MCP-SES-010 another session cannot have the rest', async () => {
    const headers = await headersOf('2025-11-25');
    const { lastEventId } = await beginAndLeave(headers);
    const foreign = await headersOf('2025-11-25');
    const refused = await fetch(gateway.url('web'), { headers: { ...foreign, 'last-event-id': lastEventId } });
    expect(refused.status).toBe(400);
    expect(await refused.text()).toContain('Last-Event-ID');
  });

  it('clients of earlier versions get no events without data', async () => {
    const headers = await headersOf('2025-06-18');
    const { text } = await beginAndLeave(headers);
    expect(text).not.toContain('id: ');
    expect(text).toMatch(/^event: message\n/);
  });

  it('a fast answer is no stream', async () => {
    const client = await rawClient(gateway.url('web'), gateway.authorization);
    // On a machine that is busy one of them may not be fast.
    await expect
      .poll(async () => {
        const answer = await client.request('tools/call', { name: 'echo', arguments: { text: 'quick' } });
        return answer.headers.get('content-type');
      })
      .toBe('application/json');
  });
});
