import { expect, it } from 'vitest';
import { Shared } from './shared-lease.ts';

function countedEnd(): AsyncDisposable & { ended: number } {
  return {
    ended: 0,
    async [Symbol.asyncDispose]() {
      this.ended++;
    },
  };
}

it('ends with the last owner, once, and cannot be shared after that', async () => {
  const thing = countedEnd();
  const shared = new Shared(thing);
  const first = shared.lease();
  const second = shared.lease();
  await first[Symbol.asyncDispose]();
  await first[Symbol.asyncDispose]();
  expect([thing.ended, shared.ended]).toEqual([0, false]);
  await second[Symbol.asyncDispose]();
  expect([thing.ended, shared.ended]).toEqual([1, true]);
  expect(() => shared.lease()).toThrow('ended');
});
