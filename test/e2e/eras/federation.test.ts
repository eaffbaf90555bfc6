/** A federation over both eras: one endpoint, groups, changes, logs and parked calls across the bridge, and a server that is down. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startConformanceServer } from '../../fixtures/servers/conformance/http.ts';
import { startGateway, type RunningGateway } from '../../rig/gateway.ts';
import { startHttpFixture, type HttpFixture } from '../../rig/servers.ts';
import { modernClient } from '../modern-raw-client.ts';
import { rawClient, type RawMessage } from '../raw-client.ts';
import { deadUrl } from '../../rig/dead-url.ts';

interface Status {
  readonly parkedCalls: number;
  readonly servers: readonly {
    readonly name: string;
    readonly eras: { readonly legacy: string; readonly modern: string; readonly checkedAt?: string };
    readonly leftOut?: { readonly method: string; readonly reason: string };
  }[];
}

async function statusOf(gateway: RunningGateway): Promise<Status> {
  const response = await fetch(`${gateway.origin}/status`, { headers: { authorization: gateway.authorization } });
  return (await response.json()) as Status;
}

function namesOf(message: RawMessage): string[] {
  const { tools } = message.result as { readonly tools: readonly { readonly name: string }[] };
  return tools.map(({ name }) => name);
}

function urisOf(message: RawMessage): string[] {
  const { resources } = message.result as { readonly resources: readonly { readonly uri: string }[] };
  return resources.map(({ uri }) => uri);
}

/** Opens a subscription; `messages` grows as it is told of changes. */
function subscribe(url: string, gateway: RunningGateway, notifications: object) {
  const leave = new AbortController();
  const told: { text: string } = { text: '' };
  const ended = modernClient(url, gateway.authorization)(
    'subscriptions/listen',
    { notifications },
    { id: 'watching', signal: leave.signal, onText: (text) => (told.text = text) },
  ).catch(() => undefined);
  return { told, leave: async () => (leave.abort(), await ended) };
}

describe('a federation of a modern server, a legacy one and one that is down', () => {
  const stack = new AsyncDisposableStack();
  let legacy: HttpFixture;
  let gateway: RunningGateway;
  let modern: ReturnType<typeof modernClient>;

  beforeAll(async () => {
    legacy = stack.use(await startHttpFixture());
    const server = stack.use(await startConformanceServer('modern'));
    gateway = await startGateway({
      args: ['--startup', 'resilient'],
      config: {
        mcpServers: {
          new: { type: 'http', url: server.url },
          old: { type: 'http', url: legacy.url },
          gone: { type: 'http', url: await deadUrl() },
        },
        gateway: { groups: { pair: ['new', 'old'], lone: ['old'] } },
      },
    });
    stack.defer(async () => void (await gateway.stop()));
    modern = modernClient(gateway.url(), gateway.authorization);
  });
  afterAll(() => stack.disposeAsync());

  it('lists what can be reached, says that it may not be kept, and shows in the status what is missing', async () => {
    const { answer } = await modern('tools/list');
    expect(namesOf(answer)).toEqual(expect.arrayContaining(['new___test_simple_text', 'old___echo']));
    expect(answer.result).toMatchObject({ resultType: 'complete', ttlMs: 0, cacheScope: 'private' });
    const again = await modern('tools/list');
    expect(namesOf(again.answer)).toEqual(namesOf(answer));
    const { servers } = await statusOf(gateway);
    expect(servers.find(({ name }) => name === 'gone')?.leftOut).toMatchObject({ method: 'tools/list' });
    expect(servers.find(({ name }) => name === 'new')?.eras).toMatchObject({ modern: 'yes', legacy: 'no' });
    expect(servers.find(({ name }) => name === 'old')?.eras).toMatchObject({ modern: 'no', legacy: 'yes' });
  });

  it('offers what its servers offer together', async () => {
    const { answer } = await modern('server/discover');
    expect(answer.result).toMatchObject({
      supportedVersions: expect.arrayContaining(['2026-07-28', '2025-11-25', '2024-11-05']),
      capabilities: {
        tools: { listChanged: true },
        resources: { subscribe: true },
        extensions: { 'io.modelcontextprotocol/tasks': {} },
      },
    });
  });

  it('calls either server from either era', async () => {
    const session = await rawClient(gateway.url(), gateway.authorization);
    for (const [name, args] of [
      ['new___test_simple_text', {}],
      ['old___echo', { text: 'hello' }],
    ] as const) {
      const params = { name, arguments: args };
      const fromModern = await modern('tools/call', params);
      expect(fromModern.answer.result).toMatchObject({ resultType: 'complete' });
      const fromLegacy = await session.request('tools/call', params);
      expect(fromLegacy.answer.result).toHaveProperty('content');
      expect(fromLegacy.answer.result).not.toHaveProperty('resultType');
    }
  });

  it('a group serves its members and no others', async () => {
    const lone = modernClient(gateway.url('lone'), gateway.authorization);
    const { answer } = await lone('tools/list');
    expect(namesOf(answer).every((name) => name.startsWith('old___'))).toBe(true);
    const foreign = await lone('tools/call', { name: 'new___test_simple_text', arguments: {} });
    expect(foreign.answer.error?.code).toBe(-32602);
    const { answer: resources } = await modern('resources/list');
    const uri = urisOf(resources).find((each) => each.startsWith('mcp+new+'));
    expect((await lone('resources/read', { uri })).answer.error?.code).toBe(-32602);
    const pair = await rawClient(gateway.url('pair'), gateway.authorization);
    expect(namesOf((await pair.request('tools/list')).answer)).toEqual(
      expect.arrayContaining(['old___echo', 'new___test_simple_text']),
    );
  });

  it('a session of a group is none of another endpoint', async () => {
    const pair = await rawClient(gateway.url('pair'), gateway.authorization);
    const other = await fetch(gateway.url('lone'), {
      method: 'POST',
      headers: {
        authorization: gateway.authorization,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-session-id': pair.sessionId ?? '',
      },
      body: '{"jsonrpc":"2.0","id":1,"method":"tools/list"}',
    });
    expect(other.status).toBe(404);
  });

  it('tells a modern subscription of changes on both, acknowledged first, under its own id and URIs', async () => {
    const { answer } = await modern('resources/list');
    const old = urisOf(answer).find((uri) => uri.startsWith('mcp+old+')) ?? '';
    const subscription = subscribe(gateway.url(), gateway, { toolsListChanged: true, resourceSubscriptions: [old] });
    await vi.waitFor(() => expect(subscription.told.text).toContain('subscriptions/acknowledged'), 20_000);
    expect(subscription.told.text.indexOf('acknowledged')).toBeLessThan(200);
    await modern('tools/call', { name: 'old___touch_resource', arguments: { uri: old.replace('mcp+old+', '') } });
    await vi.waitFor(() => expect(subscription.told.text).toContain('notifications/resources/updated'), 20_000);
    expect(subscription.told.text).toContain(`"uri":${JSON.stringify(old)}`);
    await modern('tools/call', { name: 'new___test_trigger_tool_change', arguments: {} });
    await vi.waitFor(() => expect(subscription.told.text).toContain('notifications/tools/list_changed'), 20_000);
    const lines = subscription.told.text.split('\n').filter((line) => line.startsWith('data: {'));
    for (const line of lines) expect(line).toContain('"io.modelcontextprotocol/subscriptionId":"watching"');
    await subscription.leave();
  });

  it('tells a legacy session of changes on a modern server', async () => {
    const session = await rawClient(gateway.url('new'), gateway.authorization);
    const heard = new AbortController();
    const stream = await fetch(gateway.url('new'), {
      headers: {
        authorization: gateway.authorization,
        accept: 'text/event-stream',
        'mcp-session-id': session.sessionId ?? '',
      },
      signal: heard.signal,
    });
    // The session is attached to the server with its first call.
    await session.request('tools/call', { name: 'test_simple_text', arguments: {} });
    let text = '';
    const reading = (async () => {
      for await (const chunk of stream.body ?? []) text += Buffer.from(chunk as Uint8Array).toString();
    })();
    // The gateway may not listen to the server yet when the first change comes.
    await expect
      .poll(
        async () => {
          await session.request('tools/call', { name: 'test_trigger_tool_change', arguments: {} });
          return text;
        },
        { interval: 500 },
      )
      .toContain('notifications/tools/list_changed');
    expect(text).not.toContain('subscriptionId');
    heard.abort();
    await expect(reading).rejects.toThrow();
  });

  it('gives a modern client the log messages that it asked for, and none to who did not ask', async () => {
    const params = { name: 'old___log', arguments: { level: 'warning', message: 'careful' } };
    const asked = await modern('tools/call', params, { meta: { 'io.modelcontextprotocol/logLevel': 'info' } });
    expect(asked.body).toContain('careful');
    expect(asked.messages.map(({ method }) => method)).toContain('notifications/message');
    const stricter = await modern('tools/call', params, { meta: { 'io.modelcontextprotocol/logLevel': 'error' } });
    expect(stricter.messages.map(({ method }) => method)).not.toContain('notifications/message');
    const silent = await modern('tools/call', params);
    expect(silent.messages.map(({ method }) => method)).not.toContain('notifications/message');
  });

  it('parks a call while its client is asked, and resumes it once', async () => {
    const call = { name: 'old___elicit', arguments: { message: 'Your name?' } };
    const options = { capabilities: { elicitation: { form: {} } } };
    const first = await modern('tools/call', call, options);
    expect(first.answer.result?.['resultType']).toBe('input_required');
    const { inputRequests, requestState } = first.answer.result as {
      readonly inputRequests: Readonly<Record<string, { readonly method: string; readonly params: object }>>;
      readonly requestState: string;
    };
    const [[key, question] = ['', undefined]] = Object.entries(inputRequests);
    expect(question).toMatchObject({
      method: 'elicitation/create',
      params: { _meta: { 'io.gatehouse/server': 'old' } },
    });
    expect((await statusOf(gateway)).parkedCalls).toBe(1);

    const inputResponses = { [key]: { action: 'accept', content: { name: 'Ada' } } };
    const other = await modern(
      'tools/call',
      { name: 'old___elicit', arguments: {}, inputResponses, requestState },
      options,
    );
    expect(other.answer.error?.code).toBe(-32602);
    const end = requestState.at(-2) === '_' ? '-' : '_';
    const wrong = await modern(
      'tools/call',
      { ...call, inputResponses, requestState: `${requestState.slice(0, -2)}${end}${requestState.slice(-1)}` },
      options,
    );
    expect(wrong.answer.error?.code).toBe(-32602);

    const empty = await modern('tools/call', { ...call, inputResponses: {}, requestState }, options);
    expect(empty.answer.result).toMatchObject({ resultType: 'input_required' });
    const state = empty.answer.result?.['requestState'];
    const last = await modern(
      'tools/call',
      { ...call, inputResponses, requestState: state },
      { ...options, id: 'again' },
    );
    expect(last.answer).toMatchObject({ id: 'again', result: { resultType: 'complete' } });
    expect(last.body).toContain('Ada');
    await expect.poll(async () => (await statusOf(gateway)).parkedCalls).toBe(0);
    const twice = await modern('tools/call', { ...call, inputResponses, requestState: state }, options);
    expect(twice.answer.error?.code).toBe(-32602);
  });
});

describe('an endpoint without prefixes', () => {
  it('keeps names, refuses those that two servers have, and says so', async () => {
    await using one = await startHttpFixture();
    await using two = await startConformanceServer('modern');
    await using three = await startHttpFixture({ toolsOnly: true });
    const gateway = await startGateway({
      config: {
        mcpServers: {
          one: { type: 'http', url: one.url },
          two: { type: 'http', url: two.url },
          three: { type: 'http', url: three.url },
        },
        gateway: { naming: 'plain', groups: { pair: ['one', 'two'] } },
      },
    });
    try {
      const all = modernClient(gateway.url(), gateway.authorization);
      const pair = modernClient(gateway.url('pair'), gateway.authorization);
      expect(namesOf((await all('tools/list')).answer)).not.toContain('echo');
      expect(namesOf((await pair('tools/list')).answer)).toEqual(expect.arrayContaining(['echo', 'test_simple_text']));
      const refused = await all('tools/call', { name: 'echo', arguments: {} });
      expect(refused.answer.error).toMatchObject({ code: -32602, message: expect.stringMatching(/"one", "three"/) });
      expect((await pair('tools/call', { name: 'echo', arguments: { text: 'x' } })).answer.result).toHaveProperty(
        'content',
      );
      const read = await all('resources/read', { uri: 'test://template/7/data' });
      expect(JSON.stringify(read.answer.result)).toContain('test://template/7/data');
      expect((await all('resources/read', { uri: 'fixture://text/1' })).answer.result).toHaveProperty('contents');
      const { servers } = await statusOf(gateway);
      expect(servers.find(({ name }) => name === 'three')?.leftOut?.reason).toMatch(/offered by one too/);
    } finally {
      await gateway.stop();
    }
  });
});
