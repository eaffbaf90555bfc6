import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { GatewayError } from '../shared/errors.ts';
import { refused } from './admission.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Refuses a request; the line of it is written as soon as `written` says so. */
function refuse(written: Promise<void>): { readonly error: GatewayError; readonly told: Promise<GatewayError> } {
  const front = {
    metrics: { refusal: vi.fn<() => void>() },
    log: { info: vi.fn<() => void>() },
    recordStranger: () => written,
  };
  const error = new GatewayError('unauthorized', 'The API token is unknown.');
  return { error, told: refused(front as never, error, 'request-1', new IncomingMessage(new Socket())) };
}

it('whoever is refused is told so once there is a line of it', async () => {
  const line = Promise.withResolvers<void>();
  const heard = vi.fn<(error: GatewayError) => void>();
  const { error, told } = refuse(line.promise);
  void told.then(heard);
  await vi.advanceTimersByTimeAsync(900);
  expect(heard).not.toHaveBeenCalled();
  line.resolve();
  expect(await told).toBe(error);
});

it('a store that does not answer holds up nobody who is refused', async () => {
  const { error, told } = refuse(new Promise<void>(() => undefined));
  await vi.advanceTimersByTimeAsync(1_000);
  expect(await told).toBe(error);
});
