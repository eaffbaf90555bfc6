import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { GatewayError } from '../shared/errors.ts';
import { refused } from './admission.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('a store that does not answer holds up nobody who is refused', async () => {
  const silent = new Promise<void>(() => undefined);
  const front = {
    metrics: { refusal: vi.fn<() => void>() },
    log: { info: vi.fn<() => void>() },
    recordStranger: () => silent,
  };
  const error = new GatewayError('unauthorized', 'The API token is unknown.');
  const request = new IncomingMessage(new Socket());
  const told = refused(front as never, error, 'request-1', request);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(await told).toBe(error);
});
