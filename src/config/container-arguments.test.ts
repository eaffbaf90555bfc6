import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseOptionArguments, parseRunArguments } from './container-arguments.ts';
import { ACCEPTED, REFUSED, SHORT } from './container-options.ts';

const VALUES: readonly (readonly [option: string, value: string])[] = [
  ['env', 'A=b'],
  ['volume', '/a:/b:ro'],
  ['mount', 'type=bind,source=/a,target=/b'],
  ['network', 'none'],
  ['user', '1000'],
  ['workdir', '/x'],
  ['memory', '64m'],
  ['cpus', '0.5'],
  ['pids-limit', '9'],
  ['cap-drop', 'ALL'],
  ['security-opt', 'no-new-privileges'],
  ['pull', 'never'],
  ['log-driver', 'none'],
];

describe('parseRunArguments', () => {
  it('reads every option with a value alike in all its spellings', () => {
    expect(VALUES.map(([name]) => name).toSorted()).toEqual(
      [...ACCEPTED]
        .filter(([, { takesValue }]) => takesValue)
        .map(([name]) => name)
        .toSorted(),
    );
    for (const [name, value] of VALUES) {
      const letter = [...SHORT].find(([, long]) => long === name)?.[0];
      const spellings = [
        [`--${name}`, value],
        [`--${name}=${value}`],
        ...(letter === undefined
          ? []
          : [
              [`-${letter}`, value],
              [`-${letter}${value}`],
              [`-${letter}=${value}`],
              [`-i${letter}`, value],
              [`-i${letter}${value}`],
            ]),
      ];
      const readings = spellings.map((spelling) =>
        withoutPlaces(parseRunArguments(['run', '--rm', '-i', ...spelling, 'image'])),
      );
      expect(readings[0]).toMatchObject({ faults: [], image: 'image' });
      for (const reading of readings) expect(reading, name).toEqual(readings[0]);
    }
  });

  it('accepts an option or refuses it, never both', () => {
    expect([...ACCEPTED.keys()].filter((name) => REFUSED.has(name))).toEqual([]);
    for (const long of SHORT.values()) expect(ACCEPTED.has(long) || REFUSED.has(long), long).toBe(true);
  });

  it('goes on after a refused option and its value, so that one reading finds every fault', () => {
    const { faults, image } = parseRunArguments([
      'run',
      '--rm',
      '-i',
      '--name',
      'x',
      '--privileged',
      '-p',
      '1:1',
      '-dt',
      'image',
      '--name',
    ]);
    expect(faults.map(({ index, message }) => [index, message.split(' ')[2]])).toEqual([
      [3, '--name'],
      [5, '--privileged'],
      [6, '-p'],
      [8, '-d'],
      [8, '-t'],
    ]);
    expect(image?.value).toBe('image');
  });

  it('stops at an unknown option: what follows cannot be told apart', () => {
    const { faults, image } = parseRunArguments(['run', '--unknown', 'value', '--privileged', 'image']);
    expect(faults).toHaveLength(1);
    expect(image).toBeUndefined();
  });

  it('hands over everything behind the image untouched', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (rest) => {
        const parsed = parseRunArguments(['run', '--rm', '-i', 'image', ...rest]);
        expect(parsed.faults).toEqual([]);
        expect(parsed.imageArguments).toEqual(rest);
      }),
    );
  });

  it('never accepts a list in which an option outside the allow-list stands before the image', () => {
    const words = [
      '--rm',
      '-i',
      '-e',
      'A=b',
      '--network',
      'none',
      '--network=none',
      '-v',
      '/:/x',
      '--privileged',
      '-it',
      '-iv',
      '--',
      '-d',
      '--pid=host',
      'image',
      '--cap-add',
      'ALL',
      '-u',
      '1000',
      '--mount',
      'run',
      '-e=B=c',
      '-w/x',
      '--init',
      '-m',
      '1g',
      '--device=/dev/sda',
      '--name',
      '-',
      '',
      '--env-file',
      '/etc/passwd',
    ];
    const dangerous = /^(?:--privileged|--pid|--cap-add|--device|--name|--env-file|--$|-[a-z]*[dt])/;
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...words), { maxLength: 8 }), (list) => {
        const parsed = parseRunArguments(['run', '--rm', '-i', ...list]);
        if (parsed.faults.length > 0 || parsed.image === undefined) return;
        const before = list.slice(0, parsed.image.index - 3);
        expect(before.filter((word) => dangerous.test(word))).toEqual([]);
      }),
      { numRuns: 2000 },
    );
  });

  it('answers every list of strings without throwing, and with a message and a remedy for each fault', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' })), (list) => {
        for (const { faults } of [
          parseRunArguments(list),
          parseRunArguments(['run', ...list]),
          parseOptionArguments(list),
        ]) {
          for (const fault of faults) {
            expect(fault.message).not.toBe('');
            expect(fault.suggestion).not.toBe('');
            expect(fault.message).not.toMatch(/\p{Cc}/u);
          }
        }
      }),
    );
  });

  it('quotes what came from the environment only as its expression', () => {
    const quoting = (): string => '${SECRET}';
    for (const list of [
      ['hunter2'],
      ['run', '--hunter2'],
      ['run', '-e', 'hunter2*'],
      ['run', '--network', 'hunter2'],
      ['run', '-hunter2'],
      ['run', '\u2013hunter2'],
      ['run', '-v', 'hunter2'],
    ]) {
      const text = JSON.stringify(parseRunArguments(list, quoting).faults);
      expect(text).toContain('${SECRET}');
      expect(text).not.toContain('hunter2');
    }
  });
});

describe('parseOptionArguments', () => {
  it('needs neither run nor image, and refuses them', () => {
    expect(parseOptionArguments(['--network', 'none']).faults).toEqual([]);
    expect(parseOptionArguments(['run']).faults[0]?.message).toBe("'run' is not an option");
    expect(parseOptionArguments(['--read-only', 'image']).faults[0]).toMatchObject({
      index: 1,
      message: "'image' is not an option",
    });
  });
});

/** A reading without the indices, in which spellings differ. */
function withoutPlaces({ options, image, imageArguments, faults }: ReturnType<typeof parseRunArguments>): unknown {
  const plain = Object.entries(options).map(([name, given]) => [
    name,
    Array.isArray(given) ? given.map(({ value }) => value as unknown) : (given as { value: unknown }).value,
  ]);
  return { options: plain, image: image?.value, imageArguments, faults };
}
