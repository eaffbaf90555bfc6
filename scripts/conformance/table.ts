/** Writes the results of the conformance run as a table for a terminal. */
import type { ClientResult } from './client-set.ts';
import type { LegResult } from './run-all.ts';
import type { Count } from './verdict.ts';

type Rows = readonly (readonly string[])[];

export function renderServerTable(results: readonly LegResult[]): string {
  return columns(serverRows(results));
}

export function renderClientTable(results: readonly ClientResult[]): string {
  return columns(clientRows(results));
}

/** Both tables and the failures that are expected, as a page of the reference. */
export function renderPage(results: readonly LegResult[], clients: readonly ClientResult[]): string {
  const reasons = Map.groupBy(
    results.flatMap(({ name, expected }) => expected.map((each) => ({ ...each, name }))),
    ({ reason }) => reason,
  );
  const list = [...reasons].map(([reason, each]) => {
    const checks = new Set(each.map(({ check }) => `\`${check}\``));
    return `- ${sentence(reason)} (${[...checks].join(', ')})`;
  });
  return [
    '# Conformance\n',
    'The official suite, `@modelcontextprotocol/conformance` 0.2.0-alpha.12, through a running gateway.',
    'Written by `npm run conformance -- --write`.\n',
    '## The gateway as a server\n',
    'Each leg names the era of the client, the era of the server, how the server is reached, and whether it has a path',
    'of its own (routed) or is one of three servers of both eras on one path, with their names as they are (unified).',
    'Scenarios that do not apply, such as those about a stream that the gateway does not need, are not counted.\n',
    markdown(serverRows(results).map((row) => row.slice(0, -1))),
    '## What cannot be bridged\n',
    'The failures that are expected with a modern client and a legacy server, each with its reason. Whatever else',
    'fails, and whatever no longer fails, fails the build.\n',
    ...list,
    '\n## The gateway as a client\n',
    markdown(clientRows(clients)),
  ].join('\n');
}

function serverRows(results: readonly LegResult[]): Rows {
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
  return [
    ['', 'leg (client to server)', 'scenarios direct', 'gateway', 'checks direct', 'gateway', 'expected failures', ''],
    ...rows,
  ];
}

function clientRows(results: readonly ClientResult[]): Rows {
  const rows = results
    .filter(({ outcome }) => outcome !== 'left out')
    .map(({ scenario, revision, outcome, passed, all, reason }) => [
      outcome === 'passed' ? '✓' : '✗',
      scenario,
      revision,
      `${passed}/${all}`,
      reason ?? '',
    ]);
  return [['', 'client scenario', 'revision', 'checks', ''], ...rows, ...leftOutRows(results)];
}

/** One row for each reason and revision, with the names of all that it concerns. */
function leftOutRows(results: readonly ClientResult[]): Rows {
  const leftOut = results.filter(({ outcome }) => outcome === 'left out');
  const groups = Map.groupBy(leftOut, ({ revision, reason }) => `${revision} ${reason ?? ''}`);
  return [...groups.values()].map((group) => [
    '–',
    `${group.length} scenarios`,
    group[0]?.revision ?? '',
    'left out',
    `${group[0]?.reason ?? ''}: ${group.map(({ scenario }) => scenario).join(', ')}`,
  ]);
}

function markdown([head = [], ...rows]: Rows): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line), ''].join('\n');
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}

function fraction({ passed, all }: Count): string {
  return `${passed}/${all}`;
}

function columns(rows: Rows): string {
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
