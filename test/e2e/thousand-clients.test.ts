/** A thousand clients of both eras with the same request id and the same progress token over one container. */
import { describe, expect, it } from 'vitest';
import { dockerMissing } from '../rig/docker.ts';
import { startGateway } from '../rig/gateway.ts';
import { fixtureImage } from '../rig/images.ts';
import { modernClient } from './modern-raw-client.ts';
import { rawClient, type RawAnswer } from './raw-client.ts';

const CLIENTS = 1_000;
const STEPS = 3;

interface Outcome {
  readonly label: string;
  readonly id: number | string;
  readonly token: number | string;
  readonly answer: RawAnswer;
}

describe.skipIf(dockerMissing())('1,000 clients at once', () => {
  it('MCP-IDS-001 MCP-IDS-002 MCP-IDS-003 MCP-IDS-006 no answer, progress or other notification reaches the wrong one', async () => {
    await using gateway = await startGateway({
      config: { mcpServers: { box: { container: await fixtureImage() } }, gateway: { toolTimeout: 300 } },
    });
    const clients = Array.from({ length: CLIENTS }, (_, index) => {
      // Numbers and strings that look alike are different ids.
      const equal = { id: index % 4 < 2 ? 7 : '7', token: index % 8 < 4 ? 'same' : 1 };
      const params = { name: 'slow', arguments: { ms: 2_000, steps: STEPS, label: `client ${index}.` } };
      return { ...equal, label: `client ${index}.`, params, modern: index % 2 === 1 };
    });
    // All are connected before the first calls.
    const callers = await Promise.all(
      clients.map(async ({ modern, id, token, params }) => {
        const meta = { progressToken: token };
        if (modern) {
          const post = modernClient(gateway.url('box'), gateway.authorization);
          return () => post('tools/call', params, { id, meta });
        }
        const client = await rawClient(gateway.url('box'), gateway.authorization);
        return () => client.request('tools/call', { ...params, _meta: meta }, id);
      }),
    );
    const answers = await Promise.all(callers.map((call) => call()));
    const outcomes = clients.flatMap(({ label, id, token }, index): Outcome[] => {
      const answer = answers[index];
      return answer === undefined ? [] : [{ label, id, token, answer }];
    });
    expect(outcomes).toHaveLength(CLIENTS);
    expect(outcomes.flatMap(mistakes)).toEqual([]);

    const status = async (): Promise<unknown> =>
      (await fetch(`${gateway.origin}/status`, { headers: { authorization: gateway.authorization } })).json();
    await expect.poll(status).toMatchObject({ requestsInFlight: 0, servers: [{ conversations: 1 }] });
  });
});

/** What a client received that it should not have, or lacks. */
function mistakes({ label, id, token, answer }: Outcome): string[] {
  const found: string[] = [];
  const results = answer.messages.filter((message) => message.id !== undefined);
  if (results.length !== 1) found.push(`${label} has ${results.length} answers: ${answer.body.slice(0, 300)}`);
  if (answer.answer.id !== id) found.push(`${label} has the id ${JSON.stringify(answer.answer.id)}`);
  if (!JSON.stringify(answer.answer.result ?? {}).includes(`"${label}"`)) found.push(`${label} has another answer`);
  const progress = answer.messages.filter(({ method }) => method === 'notifications/progress');
  if (progress.length !== STEPS) found.push(`${label} has ${progress.length} progress notifications`);
  for (const { params } of progress) {
    if (params?.['progressToken'] !== token) found.push(`${label} has another token`);
    if (!String(params?.['message']).includes(label)) found.push(`${label} has progress of another`);
  }
  if (answer.messages.length !== progress.length + results.length) found.push(`${label} has messages of others`);
  return found;
}
