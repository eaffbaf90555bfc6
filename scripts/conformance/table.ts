/** Writes the results of the conformance run as a table for a terminal. */
import type { ClientResult } from './client-set.ts';
import type { LegResult } from './run-all.ts';
import type { Count } from './verdict.ts';

export function renderServerTable(results: readonly LegResult[]): string {
  const rows = results.map(({ name, direct, verdict, expected, seconds }) => [
    verdict.complaints.length === 0 ? '✓' : '✗',
    name,
    direct === undefined ? '–' : fraction(direct.scenarios),
    fraction(verdict.scenarios),
    direct === undefined ? '–' : fraction(direct.checks),
    fraction(verdict.checks),
    String(expected.length),
    `${seconds} s`,
  ]);
  const head = [
    '',
    'leg (client to server)',
    'scenarios direct',
    'gateway',
    'checks direct',
    'gateway',
    'expected failures',
    '',
  ];
  return columns([head, ...rows]);
}

export function renderClientTable(results: readonly ClientResult[]): string {
  const rows = results.map(({ scenario, revision, outcome, passed, all, reason }) => [
    outcome === 'passed' ? '✓' : outcome === 'failed' ? '✗' : '–',
    scenario,
    revision,
    outcome === 'left out' ? 'left out' : `${passed}/${all}`,
    reason ?? '',
  ]);
  return columns([['', 'client scenario', 'revision', 'checks', ''], ...rows]);
}

function fraction({ passed, all }: Count): string {
  return `${passed}/${all}`;
}

function columns(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, index) => Math.max(...rows.map((row) => row[index]?.length ?? 0))) ?? [];
  return rows
    .map((row) =>
      row
        .map((cell, index) => cell.padEnd(widths[index] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
