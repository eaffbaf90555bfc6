/** Modern clients on a legacy server in a container: each question reaches the call that it belongs to, also when calls overlap. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dockerMissing } from '../../rig/docker.ts';
import { startGateway, type RunningGateway } from '../../rig/gateway.ts';
import { fixtureImage } from '../../rig/images.ts';
import { modernClient } from '../modern-raw-client.ts';

const OPTIONS = { capabilities: { elicitation: { form: {} } } };

describe.skipIf(dockerMissing())('a legacy server in a container', () => {
  let gateway: RunningGateway;
  let call: ReturnType<typeof modernClient>;

  beforeAll(async () => {
    gateway = await startGateway({ config: { mcpServers: { box: { container: await fixtureImage() } } } });
    call = modernClient(gateway.url('box'), gateway.authorization);
  });
  afterAll(async () => void (await gateway.stop()));

  async function asked(message: string) {
    const first = await call('tools/call', { name: 'elicit', arguments: { message } }, OPTIONS);
    const { inputRequests, requestState } = first.answer.result as {
      readonly inputRequests: Readonly<Record<string, { readonly params: { readonly message: string } }>>;
      readonly requestState: string;
    };
    const [entry] = Object.entries(inputRequests);
    const [key, question] = entry ?? ['', undefined];
    return { key, requestState, message, question };
  }

  it('asks each of several calls its own question, and gives each its own answer', async () => {
    const calls = await Promise.all(['one', 'two', 'three'].map((message) => asked(message)));
    for (const { question, message } of calls) expect(question?.params.message).toContain(message);
    for (const { key, requestState, message } of calls.toReversed()) {
      const inputResponses = { [key]: { action: 'accept', content: { name: `answer to ${message}` } } };
      const params = { name: 'elicit', arguments: { message }, inputResponses, requestState };
      const { body } = await call('tools/call', params, OPTIONS);
      expect(body).toContain(`answer to ${message}`);
    }
  });

  it('begins anew after a client that left, and asks the next call nothing of the one before', async () => {
    const leave = new AbortController();
    const slow = call('tools/call', { name: 'slow', arguments: { ms: 60_000 } }, { ...OPTIONS, signal: leave.signal });
    slow.catch(() => undefined);
    await call('tools/call', { name: 'echo', arguments: {} }, OPTIONS);
    leave.abort();
    const next = await asked('after that');
    expect(next.question?.params.message).toContain('after that');
  });

  it('is found to be legacy by a process that is thrown away', async () => {
    const response = await fetch(`${gateway.origin}/status`, { headers: { authorization: gateway.authorization } });
    const { servers } = (await response.json()) as { readonly servers: readonly object[] };
    expect(servers[0]).toMatchObject({
      eras: { legacy: 'yes', modern: 'no', checkedAt: expect.any(String), expiresAt: expect.any(String) },
    });
  });
});
