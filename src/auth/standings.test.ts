import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Principal } from './authenticator.ts';
import type { StoreStatus } from '../store/store-status.ts';
import { Standings } from './standings.ts';
import type { Verified } from './verified.ts';

const HOUR = 60 * 60_000;

function verifiedFor(credential: string, more: Partial<Verified> = {}): Verified {
  const principal: Principal = {
    subject: 'ann',
    issuer: 'api-token',
    credential,
    user: 'ann@example.com',
    teams: [],
    grants: [],
    scope: { permissions: undefined, teams: undefined },
    virtualServers: undefined,
  };
  const verified: Verified = { principal, validUntil: Infinity, recheck: () => Promise.resolve(verified), ...more };
  return verified;
}

describe('who is in standing', () => {
  let now = 0;
  let standings: Standings;
  let lost: number;

  beforeEach(() => {
    vi.useFakeTimers();
    now = 9 * HOUR;
    lost = 0;
    standings = new Standings({ store: undefined, log: { error: vi.fn() }, now: () => now });
    standings.onChange(() => lost++);
  });

  afterEach(() => {
    standings[Symbol.dispose]();
    vi.useRealTimers();
  });

  it('a token that has hours loses what is open when they are over, and has it again in the next ones', () => {
    const { principal } = standings.add(
      verifiedFor('office', { counts: (time) => time % (24 * HOUR) >= 8 * HOUR && time % (24 * HOUR) < 18 * HOUR }),
    );
    vi.advanceTimersByTime(60_000);
    expect([standings.has(principal), lost]).toEqual([true, 0]);
    now = 18 * HOUR;
    expect(standings.has(principal)).toBe(false);
    vi.advanceTimersByTime(60_000);
    // Told once, not at each look.
    expect(lost).toBe(1);
    now = 32 * HOUR;
    vi.advanceTimersByTime(60_000);
    expect([standings.has(principal), lost]).toEqual([true, 1]);
  });

  it('of two credentials of one caller each ends by itself', () => {
    const [short, long] = [standings.add(verifiedFor('a', { validUntil: 10 * HOUR })), standings.add(verifiedFor('b'))];
    now = 11 * HOUR;
    expect([standings.has(short.principal), standings.has(long.principal)]).toEqual([false, true]);
    vi.advanceTimersByTime(60_000);
    expect(lost).toBe(1);
  });

  it('whoever has more credentials than fit loses his own, and nobody else', () => {
    const other = verifiedFor('other');
    const modest = standings.add({ ...other, principal: { ...other.principal, subject: 'bob' } });
    for (let index = 0; index <= 50_000; index++) standings.add(verifiedFor(`token ${index}`));
    expect(standings.has(modest.principal)).toBe(true);
    expect(standings.has({ credential: 'token 0' })).toBe(false);
    expect(standings.has({ credential: 'token 50000' })).toBe(true);
  });

  it.each([
    ['an hour', undefined, HOUR],
    ['as long as the configuration says', 10_000, 10_000],
  ])('go by the word of a store that does not answer for %s, and then have to be looked at', async (_, graceMs, ms) => {
    const [recheck, lastAnswer] = [vi.fn<Verified['recheck']>(), now];
    recheck.mockRejectedValue(new Error('connect ECONNREFUSED'));
    let reachable = true;
    const status = (): StoreStatus => ({ ...ANSWERING, reachable, lastAnswer });
    using watched = new Standings({
      store: { onChange: () => () => undefined, status },
      log: { error: vi.fn() },
      now: () => now,
    });
    watched.graceMs = graceMs;
    const { principal } = watched.add(verifiedFor('one', { recheck }));
    now += 10 * HOUR;
    watched.sweep();
    // One that answers is asked by those who change something.
    expect([watched.epoch, recheck.mock.calls.length]).toEqual([0, 0]);
    now = lastAnswer + ms;
    reachable = false;
    watched.sweep();
    expect([watched.epoch, watched.has(principal)]).toEqual([0, true]);
    now += 1;
    watched.sweep();
    watched.sweep();
    await watched.check();
    expect([watched.epoch, watched.has(principal)]).toEqual([1, false]);
  });
});

const ANSWERING: StoreStatus = {
  engine: 'postgres',
  reachable: true,
  writable: true,
  since: 0,
  lastAnswer: 0,
  schema: '',
  revision: 0,
  lastError: undefined,
};
