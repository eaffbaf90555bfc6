/** A run as JSON for programs, and as the table in the README. */
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PATHS } from '../machine/paths.ts';
import type { Plan } from '../plan.ts';
import type { Section } from '../section.ts';
import { verdictsOf, type Verdict } from '../targets.ts';
import { sectionText, targetTable } from './tables.ts';

export interface Report {
  readonly date: string;
  readonly machine: Readonly<Record<string, string>>;
  readonly versions: Readonly<Record<string, string>>;
  readonly plan: Plan;
  readonly pinned: boolean;
  readonly sections: readonly Section[];
}

const BEGIN = '<!-- figures: written by npm run bench -->';
const END = '<!-- end of figures -->';

/** The newest report that was written; undefined when there is none. */
export function newestReport(): Report | undefined {
  mkdirSync(PATHS.results, { recursive: true });
  const file = readdirSync(PATHS.results)
    .filter((name) => /^\d{4}-\d\d-\d\d\.json$/.test(name))
    .toSorted()
    .at(-1);
  return file === undefined ? undefined : (JSON.parse(readFileSync(join(PATHS.results, file), 'utf8')) as Report);
}

/** Sections of `fresh` in the places of those of the same name, in the order of `names`. */
export function merged(old: readonly Section[], fresh: readonly Section[], names: readonly string[]): Section[] {
  const all = new Map([...old, ...fresh].map((section) => [section.name, section]));
  return names.flatMap((name) => all.get(name) ?? []);
}

/** Writes both; returns the path of the JSON below the root of the repository. */
export function writeReport(report: Report): string {
  mkdirSync(PATHS.results, { recursive: true });
  const name = `${report.date}.json`;
  const verdicts = verdictsOf(report.sections);
  const file = join(PATHS.results, name);
  replaceFile(file, `${JSON.stringify({ ...report, targets: verdicts }, rounded, 1)}\n`);
  const text = readFileSync(PATHS.readme, 'utf8');
  const [before, after] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (before === -1 || after === -1) throw new Error('bench/README.md has no place for the figures');
  const figures = `${BEGIN}\n\n${figuresText(report, verdicts)}\n\n`;
  replaceFile(PATHS.readme, text.slice(0, before) + figures + text.slice(after));
  return `bench/results/${name}`;
}

/** A run that is broken off leaves the old one or the new one. */
function replaceFile(path: string, text: string): void {
  const fresh = `${path}.new`;
  writeFileSync(fresh, text);
  renameSync(fresh, path);
}

/** More digits than these are noise. */
function rounded(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value;
}

function figuresText(
  { date, machine, versions, plan, pinned, sections }: Report,
  verdicts: readonly Verdict[],
): string {
  const list = (facts: Readonly<Record<string, string>>): string =>
    Object.entries(facts)
      .map(([name, value]) => `${name} ${value}`)
      .join(', ');
  const differing = [...new Set(sections.map(({ commit }) => commit))].filter(
    (commit) => commit !== versions['gatehouse'],
  );
  return [
    `Measured ${date} on ${Object.values(machine).join(', ')}; ${list(versions)}.${differing.length === 0 ? '' : ` Some workloads with ${differing.join(', ')}.`}`,
    `${plan.rounds} interleaved rounds of ${plan.seconds} s after ${plan.warmUpRequests.toLocaleString('en')} requests of warm-up${pinned ? '; what is tested has one processor for itself, the rest the other' : '; nothing could be pinned'}.`,
    targetTable(verdicts),
    ...doesText(sections),
    ...sections.map(sectionText),
  ].join('\n\n');
}

function doesText(sections: readonly Section[]): string[] {
  const does = new Map(sections.flatMap(({ rows }) => rows.map(({ contender, does: what }) => [contender, what])));
  return [['| | what it does |', '|---|---|', ...[...does].map(([name, what]) => `| ${name} | ${what} |`)].join('\n')];
}
