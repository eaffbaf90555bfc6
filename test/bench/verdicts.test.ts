/** Ratios and targets of the bench. */
import { describe, expect, it } from 'vitest';
import { spreadOf, timesOf, type Row, type Section } from '../../bench/section.ts';
import { verdictsOf } from '../../bench/targets.ts';

const row = (contender: string, cpu: readonly number[], faults: readonly string[] = []): Row => ({
  contender,
  does: '',
  figures: { cpu },
  faults,
});

const section = (...rows: readonly Row[]): Section => ({
  name: 'small',
  group: 'calls',
  title: '',
  commit: '',
  date: '',
  foreign: 0,
  profiles: [],
  how: '',
  columns: [],
  rows,
});

describe('figures', () => {
  it('have the median of an even number of rounds between the two in the middle', () => {
    expect(spreadOf([4, 1, 3, 2])).toEqual({ least: 1, median: 2.5, most: 4 });
    expect(spreadOf([])).toBeUndefined();
  });

  it('are compared round by round, so that a noisy round concerns both', () => {
    const spread = timesOf(row('a', [20, 200, 22]), row('b', [10, 100, 10]), 'cpu');
    expect(spread).toEqual({ least: 2, median: 2, most: 2.2 });
  });
});

describe('a target', () => {
  it('is met when the median of the ratios is within it', () => {
    const [verdict] = verdictsOf([section(row('nginx', [10, 10, 10]), row('gatehouse', [19, 20, 30]))]);
    expect(verdict).toMatchObject({ met: true, figure: '2.00 (1.90–3.00)', target: 'at most 2 × nginx' });
  });

  it('is not met when it is exceeded, or when figures do not hold', () => {
    const exceeded = verdictsOf([section(row('nginx', [10]), row('gatehouse', [21]))]);
    const faulty = verdictsOf([section(row('nginx', [10], ['wrong answers']), row('gatehouse', [19]))]);
    expect([...exceeded, ...faulty].map(({ met }) => met)).toEqual([false, false]);
    expect(faulty[0]?.figure).toContain('do not hold');
  });

  it('has no verdict when its workload was not measured', () => {
    expect(verdictsOf([])).toEqual([]);
  });
});
