import { describe, expect, it } from 'vitest';
import { REQUIREMENT_GROUPS } from '../../test/requirements.ts';
import { assess, renderMarkdown, renderText } from './compliance.ts';
import type { TestOutcome } from './vitest-run.ts';

const outcome = (name: string, status: TestOutcome['status'] = 'passed'): TestOutcome => ({
  file: 'a.test.ts',
  name,
  status,
});

function statusOf(id: string, outcomes: readonly TestOutcome[]): string | undefined {
  const all = assess(outcomes).groups.flatMap(({ requirements }) => requirements);
  return all.find((requirement) => requirement.id === id)?.status;
}

describe('compliance', () => {
  it('knows all 102 requirements of section 11, those of TLS and those of the protocol, each once', () => {
    const ids = REQUIREMENT_GROUPS.flatMap(({ requirements }) => requirements.map(({ id }) => id));
    const tests = ids.filter((id) => id.startsWith('T-'));
    expect(tests.filter((id) => !id.startsWith('T-TLS-'))).toHaveLength(102);
    expect(tests.filter((id) => id.startsWith('T-TLS-'))).toHaveLength(18);
    expect(ids.every((id) => /^(T|MCP)-[A-Z]+-\d{3}$/.test(id))).toBe(true);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('calls a requirement proven only when none of its tests failed and one ran', () => {
    expect(statusOf('T-CFG-001', [])).toBe('not yet built');
    expect(statusOf('T-CFG-001', [outcome('T-CFG-001 works')])).toBe('proven');
    expect(statusOf('T-CFG-001', [outcome('T-CFG-001 a'), outcome('T-CFG-001 b', 'failed')])).toBe('failing');
    expect(statusOf('T-CFG-001', [outcome('T-CFG-001 a', 'skipped')])).toBe('left out');
    expect(statusOf('T-CFG-001', [outcome('T-CFG-0011 is another id')])).toBe('not yet built');
  });

  it('lets one test prove several requirements', () => {
    const both = [outcome('T-ISO-005 T-ERR-002 fails alone')];
    expect([statusOf('T-ISO-005', both), statusOf('T-ERR-002', both)]).toEqual(['proven', 'proven']);
  });

  it('finds citations of requirements that do not exist', () => {
    const { unknown } = assess([outcome('T-CFG-099 proves nothing'), outcome('T-XYZ-001 neither')]);
    expect(unknown.map(({ id }) => id)).toEqual(['T-CFG-099', 'T-XYZ-001']);
  });

  it('renders every requirement with its status and the files of its tests', () => {
    const report = assess([outcome('T-CFG-001 a'), outcome('T-CFG-001 b')]);
    expect(renderText(report)).toMatch(/T-CFG-001 +proven +valid stdio server {2}\(2 tests\)/);
    expect(renderMarkdown(report)).toContain('| T-CFG-001 | valid stdio server | proven | `a.test.ts` |');
    const all = REQUIREMENT_GROUPS.flatMap(({ requirements }) => requirements).length;
    expect(renderText(report)).toContain(
      `${all} requirements: 1 proven, 0 failing, 0 left out, ${all - 1} not yet built.`,
    );
  });
});
