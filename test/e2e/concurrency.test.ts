/** Many clients with the same request ids and progress tokens over few servers: nothing reaches the wrong one, nothing stays behind. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startGateway, type RunningGateway } from '../rig/gateway.ts';
import { fixtureImage } from '../rig/images.ts';
import { startHttpFixture, type HttpFixture } from '../rig/servers.ts';
import { rawClient, type RawAnswer, type RawClient } from './raw-client.ts';

const CLIENTS = 50;
const CALLS_EACH = 10;

interface Outcome {
  readonly label: string;
  readonly cancelled: boolean;
  readonly answer: RawAnswer;
}

describe('500 concurrent calls with progress, half of them cancelled, from 50 clients', () => {
  let web: HttpFixture;
  let gateway: RunningGateway;

  beforeAll(async () => {
    web = await startHttpFixture();
    gateway = await startGateway({
      config: { mcpServers: { web: { type: 'http', url: web.url }, box: { container: await fixtureImage() } } },
    });
  });
  afterAll(async () => {
    await gateway.stop();
    await web[Symbol.asyncDispose]();
  });

  it('T-PTL-004 T-TMO-005 MCP-CAN-003 MCP-CAN-005 each answer and each progress reaches its own client, over a container and over HTTP', async () => {
    const clients = await Promise.all(
      Array.from({ length: CLIENTS }, (_, index) =>
        rawClient(gateway.url(index % 2 === 0 ? 'box' : 'web'), gateway.authorization),
      ),
    );
    const outcomes = (await Promise.all(clients.map(callMany))).flat();
    expect(outcomes).toHaveLength(CLIENTS * CALLS_EACH);

    for (const { label, cancelled, answer } of outcomes) {
      for (const message of answer.messages) {
        if (message.method !== 'notifications/progress') continue;
        expect(String(message.params?.['message'] ?? label), 'progress of another call').toContain(label);
      }
      const result = answer.messages.find((message) => message.id !== undefined);
      if (cancelled) expect(result, `${label} was cancelled and yet answered`).toBeUndefined();
      else expect(JSON.stringify(result?.result), `${label} got another answer`).toContain(`"${label}"`);
    }
    const finished = outcomes.filter(({ cancelled, answer }) => !cancelled && answer.answer.result !== undefined);
    expect(finished).toHaveLength((CLIENTS * CALLS_EACH) / 2);
    expect(
      finished.every(
        ({ answer }) => answer.messages.filter(({ method }) => method === 'notifications/progress').length === 3,
      ),
    ).toBe(true);

    await expect.poll(() => statusOf(gateway)).toMatchObject({ requestsInFlight: 0, sessions: CLIENTS });
    await Promise.all(clients.map((client) => end(gateway, client)));
    await vi.waitFor(
      async () => expect(await statusOf(gateway)).toMatchObject({ requestsInFlight: 0, sessions: 0 }),
      20_000,
    );
    await expect.poll(() => statusOf(gateway)).toMatchObject({ servers: [{ conversations: 1 }, { conversations: 1 }] });
  });
});

/** Every client uses the ids 1 to 10 and the same tokens. */
async function callMany(client: RawClient, index: number): Promise<Outcome[]> {
  const calls = Array.from({ length: CALLS_EACH }, async (_, call): Promise<Outcome> => {
    const label = `client ${index} call ${call}.`;
    const cancelled = call % 2 === 1;
    const id = 100 + call;
    const begun = Promise.withResolvers<void>();
    const answer = client.request(
      'tools/call',
      {
        name: 'slow',
        arguments: { ms: cancelled ? 30_000 : 1_500, steps: cancelled ? 60 : 3, label },
        _meta: { progressToken: call },
      },
      id,
      () => begun.resolve(),
    );
    if (cancelled) {
      // Two POSTs may overtake each other: the call is taken back only once it is known to have begun.
      await begun.promise;
      await client.notify('notifications/cancelled', { requestId: id, reason: 'no longer needed' });
    }
    return { label, cancelled, answer: await answer };
  });
  return Promise.all(calls);
}

async function end(gateway: RunningGateway, client: RawClient): Promise<void> {
  for (const server of ['box', 'web']) {
    await fetch(gateway.url(server), {
      method: 'DELETE',
      headers: { authorization: gateway.authorization, 'mcp-session-id': client.sessionId ?? '' },
    });
  }
}

async function statusOf(gateway: RunningGateway): Promise<object> {
  const response = await fetch(`${gateway.origin}/status`, { headers: { authorization: gateway.authorization } });
  return (await response.json()) as object;
}
