import { expect, it } from 'vitest';
import { isUnchanged, liveTag, readIfMatch, versionOf } from './etag.ts';

it('a tag of what shows health is another one when the health is, and a change may still name it', () => {
  const [well, ill] = [liveTag('7', '{"health":"healthy"}'), liveTag('7', '{"health":"unreachable"}')];
  expect(well).not.toBe(ill);
  expect([isUnchanged(`"${well}"`, well), isUnchanged(`"${well}"`, ill), isUnchanged('"7"', ill)]).toEqual([
    true,
    false,
    false,
  ]);
  for (const tag of ['7', well, ill]) expect(versionOf(readIfMatch(`"${tag}"`))).toBe(7);
  expect(readIfMatch(`"${liveTag('3-0', '{}')}"`)).toBe('3-0');
  expect(() => versionOf(readIfMatch('"7.no-tag-of-ours"'))).toThrow('not one of this object');
});
