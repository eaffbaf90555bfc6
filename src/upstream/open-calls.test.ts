/** Which call is found under which id, whatever others began and ended meanwhile. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OpenCalls } from './open-calls.ts';

function begin(calls: OpenCalls<{ readonly upstreamId: string }>) {
  const call = { upstreamId: calls.newId() };
  calls.add(call);
  return call;
}

describe('OpenCalls', () => {
  it('finds those that have not ended, in the order in which they began, and gives no id twice', () => {
    const step = fc.oneof(fc.constant(undefined), fc.nat({ max: 400 }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 600, size: 'max' }), (steps) => {
        const calls = new OpenCalls<{ readonly upstreamId: string }>();
        const open = new Map<string, { readonly upstreamId: string }>();
        const ids = new Set<string>();
        for (const ending of steps) {
          const ended = ending === undefined ? undefined : [...open.values()][ending];
          if (ended === undefined) {
            const call = begin(calls);
            expect(ids.has(call.upstreamId)).toBe(false);
            ids.add(call.upstreamId);
            open.set(call.upstreamId, call);
          } else {
            open.delete(ended.upstreamId);
            calls.remove(ended);
            calls.remove(ended);
          }
        }
        for (const id of ids) expect(calls.get(id)).toBe(open.get(id));
        expect(calls.all()).toEqual([...open.values()]);
      }),
      { numRuns: 50 },
    );
  });

  it('finds none under a text that is no id of its own', () => {
    const calls = new OpenCalls<{ readonly upstreamId: string }>();
    for (let index = 0; index < 64; index++) begin(calls);
    for (const text of ['', '"1"', '1.0', '01', '1e0', 'null', '-1', '4294967297', '0', 'NaN', ' 1'])
      expect(calls.get(text)).toBeUndefined();
    expect(calls.get('1')).toBeDefined();
  });
});
