import { describe, expect, it } from 'vitest';
import type { Check, CheckStatus } from '../../scripts/conformance/suite.ts';
import { judgeExpected, judgeSame, parseExpected } from '../../scripts/conformance/verdict.ts';

const check = (id: string, status: CheckStatus, message?: string): Check => ({
  scenario: 'scenario',
  id,
  status,
  ...(message === undefined ? {} : { message }),
});

describe('judgeSame', () => {
  const direct = [check('a', 'SUCCESS'), check('b', 'FAILURE'), check('c', 'SUCCESS')];

  it('has nothing to say when everything that passed passes, or says only that it does not apply', () => {
    const verdict = judgeSame(direct, [check('a', 'SUCCESS'), check('b', 'FAILURE'), check('c', 'INFO')]);
    expect(verdict.complaints).toEqual([]);
    expect(verdict.checks).toEqual({ passed: 1, all: 2 });
  });

  it.each<[CheckStatus]>([['FAILURE'], ['WARNING']])('complains of what passed and now is a %s', (status) => {
    const { complaints } = judgeSame(direct, [check('a', 'SUCCESS'), check('c', 'SUCCESS'), check('c', status, 'why')]);
    expect(complaints).toEqual(['scenario:c passes directly and not through the gateway: why']);
  });

  it('complains of what is not reached any more', () => {
    expect(judgeSame(direct, [check('a', 'SUCCESS')]).complaints).toEqual([
      'scenario:c passes directly and was not reached through the gateway',
    ]);
  });
});

describe('judgeExpected', () => {
  const expected = [{ check: 'scenario:b', reason: 'because' }];

  it('accepts the failures that are expected', () => {
    expect(judgeExpected([check('a', 'SUCCESS'), check('b', 'FAILURE')], expected).complaints).toEqual([]);
  });

  it('complains of others, of a line that is not needed, and of a suite that said nothing', () => {
    expect(judgeExpected([check('a', 'WARNING', 'why')], expected).complaints).toEqual([
      'scenario:a fails: why',
      'scenario:b is expected to fail and does not: remove its line',
    ]);
    expect(judgeExpected([], []).complaints).toEqual(['the suite said nothing']);
  });
});

describe('parseExpected', () => {
  it('reads checks with their reasons', () => {
    expect(parseExpected('# head\nserver:\n  - a:b # because\n')).toEqual([{ check: 'a:b', reason: 'because' }]);
  });

  it('refuses a line without a reason, and one without a check', () => {
    expect(() => parseExpected('server:\n  - scenario:check\n')).toThrow('scenario:check');
    expect(() => parseExpected('server:\n  - scenario # why\n')).toThrow('scenario');
  });
});
