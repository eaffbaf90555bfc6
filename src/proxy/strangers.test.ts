import { expect, it, onTestFinished, vi } from 'vitest';
import { type Stranger, StrangerLog } from './strangers.ts';

function visit(address: string | undefined, number = 0): Stranger {
  return { requestId: `r${number}`, address, action: 'POST /mcp', reason: 'The credential is not known here.' };
}

function logOf(windowMs = 3_600_000): { readonly log: StrangerLog; readonly lines: Stranger[] } {
  const lines: Stranger[] = [];
  return { log: new StrangerLog({ write: async (line) => void lines.push(line), windowMs }), lines };
}

it('writes the first ones of an address at once, and of the others how many there were', async () => {
  const { log, lines } = logOf();
  for (let number = 0; number < 40; number += 1) await log.record(visit('192.0.2.1', number));
  await log.record(visit('192.0.2.2'));
  expect(lines.map(({ requestId }) => requestId)).toEqual(['r0', 'r1', 'r2', 'r3', 'r4', 'r0']);
  await log[Symbol.asyncDispose]();
  expect(lines.slice(6)).toEqual([
    {
      ...visit('192.0.2.1', 39),
      reason: '35 more requests from 192.0.2.1 within a minute. The last one: The credential is not known here.',
    },
  ]);
});

it('takes the addresses of one IPv6 network for one caller, and a mapped one for what it stands for', async () => {
  const { log, lines } = logOf();
  for (let number = 0; number < 10; number += 1) await log.record(visit(`2001:db8::${number}`));
  for (let number = 0; number < 10; number += 1)
    await log.record(visit(number % 2 === 0 ? '::ffff:192.0.2.1' : '192.0.2.1'));
  expect(lines).toHaveLength(10);
  await log[Symbol.asyncDispose]();
  expect(lines.slice(10).map(({ reason }) => /from (\S+)/.exec(reason)?.[1])).toEqual([
    '2001:db8:0:0::/64',
    '192.0.2.1',
  ]);
});

it('has an end, however many addresses a flood comes from', async () => {
  const { log, lines } = logOf();
  for (let number = 0; number < 5_000; number += 1)
    await log.record(visit(`10.0.${Math.floor(number / 250)}.${number % 250}`));
  expect(lines).toHaveLength(60);
  await log[Symbol.asyncDispose]();
  expect(lines).toHaveLength(61);
  expect(lines.at(-1)?.reason).toContain('4940 more requests from other addresses');
});

it('begins anew with each window', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const { log, lines } = logOf(20);
  for (let number = 0; number < 7; number += 1) await log.record(visit('192.0.2.1'));
  expect(lines).toHaveLength(5);
  await vi.advanceTimersByTimeAsync(20);
  expect(lines).toHaveLength(6);
  await log.record(visit('192.0.2.1', 7));
  expect(lines.at(-1)).toEqual(visit('192.0.2.1', 7));
  await log[Symbol.asyncDispose]();
});
