/** A subscription that still waits for its server ends whenever others do. */
import { describe, expect, it } from 'vitest';
import { Cancellation } from '../shared/cancellation.ts';
import type { Exchange } from './exchange.ts';
import { OpenSubscriptions } from './open-subscriptions.ts';
import { listen } from './subscriptions.ts';
import type { View } from './view/view.ts';

/** At the endpoint of a server that does not come up. */
function waiting() {
  const pool = { name: 'one', modern: () => new Promise(() => undefined) };
  const view = { pools: new Map([['one', pool]]) } as unknown as View;
  const message = { id: '7', value: {} };
  const exchange = {
    route: { kind: 'server', server: 'one' },
    view,
    principal: { subject: 'alice' },
    reply: { open: true, send: () => true },
    abort: new Cancellation(),
    message,
    notes: {},
  } as unknown as Exchange;
  const open = new OpenSubscriptions();
  return { open, exchange, view, answer: listen(open, exchange, exchange.message) };
}

const LAST = expect.stringMatching(/^\{"jsonrpc":"2\.0","id":7,"result":\{"resultType":"complete"/) as unknown;

describe('a subscription that waits for its server', () => {
  it('ends in good order with all others', async () => {
    const { open, answer } = waiting();
    open.endAll();
    expect(await answer).toEqual(LAST);
  });

  it('ends when its credential no longer counts', async () => {
    const { open, exchange, answer } = waiting();
    open.endWhere((one) => one === exchange);
    expect(await answer).toEqual(LAST);
  });

  it('ends when its endpoint is gone, and not when nothing has changed', async () => {
    const { open, view, answer } = waiting();
    let over = false;
    void answer.then(() => (over = true));
    open.renew(() => view);
    await new Promise(setImmediate);
    expect(over).toBe(false);
    open.renew(() => undefined);
    expect(await answer).toEqual(LAST);
  });

  it('ends when its client takes it back', async () => {
    const { exchange, answer } = waiting();
    exchange.abort.abort(new Error('taken back'));
    expect(await answer).toEqual(LAST);
  });
});
