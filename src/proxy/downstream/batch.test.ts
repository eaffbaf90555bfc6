import fc from 'fast-check';
/** Batches: cut into their messages as they are, answered together. */
import { describe, expect, it, vi } from 'vitest';
import { Batch, batchOf } from './batch.ts';

const space = fc.string({ unit: fc.constantFrom(' ', '\n', '\t') });

describe('batchOf', () => {
  it('cuts any batch into its messages', () => {
    fc.assert(
      fc.property(fc.array(fc.object(), { minLength: 1, maxLength: 100 }), space, (messages, padding) => {
        const texts = messages.map((message) => JSON.stringify(message));
        expect(batchOf(`${padding}[${texts.join(`${padding},${padding}`)}]${padding}`)).toEqual(texts);
      }),
    );
  });

  it('leaves single messages alone, and refuses what is none', () => {
    expect(batchOf('{"a":[1]}')).toBeUndefined();
    expect(() => batchOf('[')).toThrow(/not valid JSON/);
    expect(() => batchOf('[]')).toThrow(/1 to 100/);
    expect(() => batchOf(`[${Array.from({ length: 101 }, () => '{}').join(',')}]`)).toThrow(/1 to 100/);
  });
});

describe('Batch', () => {
  function channel() {
    return {
      open: true,
      setHeader: vi.fn(),
      hold: vi.fn(),
      send: vi.fn(() => true),
      answerPieces: vi.fn(),
      answer: vi.fn(),
      drop: vi.fn(),
      accept: vi.fn(),
      fail: vi.fn(),
      keepAlive: vi.fn(),
    };
  }

  it('answers once, with an array', () => {
    const reply = channel();
    const batch = new Batch(reply, undefined);
    const one = batch.part('1').reply({} as never, 'r');
    one.send('progress');
    one.answer('{"id":1}');
    batch.part('2').fail('{"id":2}');
    expect(reply.answer).not.toHaveBeenCalled();
    batch.end();
    expect(reply.send).toHaveBeenCalledWith('progress');
    expect(reply.answer).toHaveBeenCalledExactlyOnceWith('[{"id":1},{"id":2}]');
  });

  it('without requests is only accepted', () => {
    const reply = channel();
    new Batch(reply, undefined).end();
    expect(reply.accept).toHaveBeenCalledOnce();
    expect(reply.answer).not.toHaveBeenCalled();
  });
});
