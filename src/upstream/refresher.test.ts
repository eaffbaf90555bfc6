import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Listing, ListingRow } from '../mcp/listing.ts';
import { LISTINGS } from '../mcp/listing.ts';
import { Catalogue, compareListings } from './catalogue.ts';
import { Refresher, type ListedItem } from './refresher.ts';
import type { Upstream } from './upstream.ts';

function listing(...names: readonly string[]): Listing {
  return { frame: '{}', items: names.map((name) => ({ key: name, text: JSON.stringify({ name }) })) };
}

/** A server whose tools a test changes, and which notes them in a catalogue as conversations do. */
function server(catalogue: Catalogue) {
  const state = { tools: ['a', 'b'], broken: false, asked: 0 };
  const list = async (row: ListingRow): Promise<Listing> => {
    state.asked++;
    if (state.broken) throw new Error('broken');
    const found = row.kind === 'tools' ? listing(...state.tools) : listing();
    catalogue.note(row, found);
    return found;
  };
  const upstream: Pick<Upstream, 'renew'> = { renew: list };
  return { state, upstream: upstream as Upstream };
}

function setUp(refreshIntervalMs: number | undefined, withStore = true) {
  const catalogue = new Catalogue();
  const { state, upstream } = server(catalogue);
  const changed: string[][] = [];
  const kept: (readonly ListedItem[])[] = [];
  const refresher = new Refresher({
    catalogue,
    health: { refreshIntervalMs, jitter: 0, unreachable: 'hide' },
    log: pino({ enabled: false }),
    present: () => upstream,
    upstream: () => Promise.resolve(upstream),
    onChanged: (lists) => void changed.push([...lists]),
    onItems: withStore ? (items) => void kept.push(items) : undefined,
  });
  return { catalogue, state, changed, kept, refresher, upstream };
}

describe('a refresh', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('counts what was added, removed and changed, and tells only of what differs', async () => {
    const { refresher, state, changed, kept } = setUp(undefined);
    expect((await refresher.refresh()).tools).toEqual({ added: 2, removed: 0, changed: 0, total: 2 });
    expect(changed).toEqual([]);
    state.tools = ['b', 'c'];
    expect((await refresher.refresh()).tools).toEqual({ added: 1, removed: 1, changed: 0, total: 2 });
    expect(changed).toEqual([['tools']]);
    expect(kept.at(-1)).toEqual([
      { kind: 'tool', key: 'b', text: '{"name":"b"}' },
      { kind: 'tool', key: 'c', text: '{"name":"c"}' },
    ]);
  });

  it('that fails rejects, keeps nothing and takes nothing away', async () => {
    const { refresher, state, catalogue, kept } = setUp(undefined);
    await refresher.refresh();
    state.broken = true;
    await expect(refresher.refresh()).rejects.toThrow('broken');
    expect(kept).toHaveLength(1);
    const [tools] = LISTINGS;
    expect(tools && catalogue.last(tools)?.items).toHaveLength(2);
  });

  it('is shared by all who ask while it goes on', async () => {
    const { refresher, state } = setUp(undefined);
    await Promise.all([refresher.refresh(), refresher.refresh(), refresher.refresh()]);
    expect(state.asked).toBe(LISTINGS.length);
  });

  it('comes with each connection, each interval and soon after a notice, and stops with the connection', async () => {
    const { refresher, state, kept, changed } = setUp(60_000);
    refresher.start();
    await vi.advanceTimersByTimeAsync(0);
    expect(kept).toHaveLength(1);
    state.tools = ['a'];
    await vi.advanceTimersByTimeAsync(60_000);
    expect([kept.length, changed]).toEqual([2, [['tools']]]);
    refresher.noticed();
    refresher.noticed();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(kept).toHaveLength(3);
    refresher.stop();
    await vi.advanceTimersByTimeAsync(600_000);
    expect(kept).toHaveLength(3);
  });

  it('on an interval asks without a store only for what somebody has listed before', async () => {
    const { refresher, state, upstream } = setUp(60_000, false);
    refresher.start();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(state.asked).toBe(0);
    const [tools] = LISTINGS;
    if (tools !== undefined) await upstream.renew(tools);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(state.asked).toBe(2);
    refresher[Symbol.dispose]();
  });
});

describe('compareListings', () => {
  it('sees a changed item by its text', () => {
    const before = listing('a');
    const after: Listing = { frame: '{}', items: [{ key: 'a', text: '{"name":"a","title":"A"}' }] };
    expect(compareListings(before, after)).toEqual({ added: 0, removed: 0, changed: 1, total: 1 });
  });
});
