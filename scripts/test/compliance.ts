/** Sets the requirements beside the tests that cite them. */
import { REQUIREMENT_GROUPS, REQUIREMENT_ID } from '../../test/requirements.ts';
import type { Requirement } from '../../test/requirements.ts';
import type { TestOutcome } from './vitest-run.ts';

/** `left out` is proven elsewhere at best: all of its tests were skipped in this run. */
export type RequirementStatus = 'proven' | 'failing' | 'left out' | 'not yet built';

export interface AssessedRequirement extends Requirement {
  readonly status: RequirementStatus;
  readonly tests: readonly TestOutcome[];
}

export interface ComplianceReport {
  readonly groups: readonly { readonly name: string; readonly requirements: readonly AssessedRequirement[] }[];
  /** Citations of ids that no requirement has. */
  readonly unknown: readonly { readonly id: string; readonly test: TestOutcome }[];
}

export function assess(outcomes: readonly TestOutcome[]): ComplianceReport {
  const citations = new Map<string, TestOutcome[]>();
  for (const test of outcomes) {
    for (const id of new Set(test.name.match(REQUIREMENT_ID))) citations.set(id, [...(citations.get(id) ?? []), test]);
  }
  const groups = REQUIREMENT_GROUPS.map(({ name, requirements }) => ({
    name,
    requirements: requirements.map((requirement) => {
      const tests = citations.get(requirement.id) ?? [];
      citations.delete(requirement.id);
      return { ...requirement, tests, status: statusOf(tests) };
    }),
  }));
  const unknown = [...citations].flatMap(([id, tests]) => tests.map((test) => ({ id, test })));
  return { groups, unknown };
}

function statusOf(tests: readonly TestOutcome[]): RequirementStatus {
  if (tests.length === 0) return 'not yet built';
  if (tests.some(({ status }) => status === 'failed')) return 'failing';
  return tests.some(({ status }) => status === 'passed') ? 'proven' : 'left out';
}

export function renderText(report: ComplianceReport): string {
  const lines = report.groups.flatMap(({ name, requirements }) => [
    `\n${name}`,
    ...requirements.map(({ id, status, title, tests }) => {
      const cited = tests.length === 0 ? '' : `  (${tests.length} ${tests.length === 1 ? 'test' : 'tests'})`;
      return `  ${id.padEnd(12)} ${status.padEnd(14)} ${title}${cited}`;
    }),
  ]);
  return [...lines, '', summary(report)].join('\n');
}

export function renderMarkdown(report: ComplianceReport): string {
  const tables = report.groups.flatMap(({ name, requirements }) => [
    `## ${name}\n`,
    '| id | requirement | status | proven by |',
    '| --- | --- | --- | --- |',
    ...requirements.map(
      ({ id, title, reference, status, tests }) =>
        `| ${id} | ${title}${reference === undefined ? '' : ` (${reference})`} | ${status} | ${cite(tests)} |`,
    ),
    '',
  ]);
  const head = [
    '# Compliance\n',
    'Section 11 of the MCP Gateway Specification 1.17, and what the Model Context Protocol demands of an intermediary:',
    'every requirement, and the tests that prove it.',
    'Written by `npm run compliance -- --write`.\n',
    `${summary(report)}\n`,
  ];
  return [...head, ...tables].join('\n');
}

/** The files, each once: names of tests change more often than a reader of the page needs to know. */
function cite(tests: readonly TestOutcome[]): string {
  return [...new Set(tests.map(({ file }) => `\`${file}\``))].toSorted().join(', ');
}

function summary({ groups }: ComplianceReport): string {
  const all = groups.flatMap(({ requirements }) => requirements);
  const count = (wanted: RequirementStatus): number => all.filter(({ status }) => status === wanted).length;
  const statuses = ['proven', 'failing', 'left out', 'not yet built'] as const;
  return `${all.length} requirements: ${statuses.map((status) => `${count(status)} ${status}`).join(', ')}.`;
}
