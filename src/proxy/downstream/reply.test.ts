/** What is over is not kept alive. */
import { expect, it } from 'vitest';
import type { ClientResponse } from '../client-response.ts';
import type { Heartbeat } from './heartbeat.ts';
import { Reply } from './reply.ts';

it('is not kept alive when its client had left before it was to be', () => {
  const beating = new Set<unknown>();
  const heartbeat = { add: (one: unknown) => beating.add(one), remove: (one: unknown) => beating.delete(one) };
  let left = (): void => undefined;
  const response = { once: (_event: string, listener: () => void) => (left = listener) } as unknown as ClientResponse;
  const reply = new Reply(response, { requestId: 'r', mayStream: true });
  left();
  reply.keepAlive(heartbeat as unknown as Heartbeat);
  expect(beating.size).toBe(0);
});
