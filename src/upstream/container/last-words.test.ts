import { describe, expect, it } from 'vitest';
import { KEPT_LINES, LastWords, LINE_BYTES, LINES_EACH_SECOND } from './last-words.ts';

function collect(redact: (line: string) => string = (line) => line): {
  words: LastWords;
  lines: string[];
  clock: { now: number };
} {
  const lines: string[] = [];
  const clock = { now: 0 };
  const words = new LastWords({ redact, onLine: (line) => lines.push(line), now: () => clock.now });
  return { words, lines, clock };
}

describe('LastWords', () => {
  it('hands on lines however the stream is cut, and keeps them', () => {
    const { words, lines } = collect();
    for (const byte of Buffer.from('one\r\n\ntwo größer\nthree')) words.push(Buffer.from([byte]));
    expect(lines).toEqual(['one', 'two größer']);
    words.end();
    expect(lines).toEqual(['one', 'two größer', 'three']);
    expect(words.lines()).toEqual(lines);
  });

  it('keeps only the last lines', () => {
    const { words } = collect();
    for (let index = 0; index < KEPT_LINES + 50; index += 1) words.push(Buffer.from(`${index}\n`));
    expect(words.lines()).toHaveLength(KEPT_LINES);
    expect(words.lines().at(0)).toBe('50');
    expect(words.lines().at(-1)).toBe(String(KEPT_LINES + 49));
  });

  it('cuts a long line, never inside a character, and goes on at the next', () => {
    const { words } = collect();
    for (let piece = 0; piece < 1000; piece += 1) words.push(Buffer.from('ä'.repeat(1000)));
    words.push(Buffer.from('\nnext\n'));
    const [long, next] = words.lines();
    expect(long).toMatch(/^ä+…$/);
    expect(Buffer.byteLength(long ?? '')).toBeLessThanOrEqual(LINE_BYTES);
    expect(next).toBe('next');
  });

  it('counts a flood instead of handing it on', () => {
    const { words, lines, clock } = collect();
    for (let index = 0; index < LINES_EACH_SECOND + 300; index += 1) words.push(Buffer.from('x\n'));
    expect(lines).toHaveLength(LINES_EACH_SECOND);
    clock.now = 1000;
    words.push(Buffer.from('calm\n'));
    expect(lines.slice(LINES_EACH_SECOND)).toEqual([
      `(300 lines left out: more than ${LINES_EACH_SECOND} in a second)`,
      'calm',
    ]);
  });

  it('takes secrets out before it cuts, so that none is left by half', () => {
    const { words, lines } = collect((line) => line.replaceAll('hunter2hunter2', '[redacted]'));
    words.push(Buffer.from(`${'x'.repeat(LINE_BYTES - 12)}hunter2hunter2 and more\nit is hunter2hunter2\n`));
    expect([...lines, ...words.lines()].join('\n')).not.toContain('hunter2');
    expect(lines.at(-1)).toBe('it is [redacted]');
  });
});
