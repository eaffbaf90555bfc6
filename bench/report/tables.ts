/** Figures as tables for people. */
import { spreadOf, timesOf, type Column, type Row, type Section } from '../section.ts';
import type { Verdict } from '../targets.ts';

/** From this share of one processor on, what others did is worth telling. */
const WORTH_TELLING = 0.1;

export function targetTable(verdicts: readonly Verdict[]): string {
  const lines = verdicts.map(
    ({ what, workload, target, figure, met }) =>
      `| ${what} (${workload}) | ${target} | ${figure} | ${met ? 'met' : '**not met**'} |`,
  );
  return ['| | target | measured: median (least–most) | |', '|---|---|---|---|', ...lines].join('\n');
}

export function sectionText(section: Section): string {
  const { title, name, how, skipped, columns, rows, profiles, foreign } = section;
  const notes = [how, ...(foreign > WORTH_TELLING ? [`Others used ${foreign.toFixed(2)} processors meanwhile.`] : [])];
  const faults = rows.flatMap(({ contender, faults: all }) =>
    all.map((fault) => `**${contender} does not hold: ${fault}.**`),
  );
  return [
    `### ${title} (\`${name}\`)`,
    skipped === undefined ? notes.join(' ') : `Not measured: ${skipped}.`,
    ...(columns.length > 0 ? [tableOf(section)] : []),
    ...faults,
    ...profiles.map(
      ({ contender, top }) =>
        `Where the time of ${contender} goes: ${top.map(({ where, share }) => `${where} ${(share * 100).toFixed(0)} %`).join(', ')}.`,
    ),
  ].join('\n\n');
}

function tableOf({ columns, rows, ratio, yardstick }: Section): string {
  const shown = columns.filter(({ key }) => rows.some(({ figures }) => figures[key] !== undefined));
  const base = rows.find(({ contender }) => contender === yardstick);
  const related = ratio !== undefined && base !== undefined;
  const head = shown.flatMap(({ title, key }) => [
    title,
    ...(related && key === ratio ? [`× ${yardstick ?? ''}`] : []),
  ]);
  const lines = rows
    .filter(({ figures }) => Object.keys(figures).length > 0)
    .map((row) => {
      const cells = shown.flatMap((column) => [
        cell(row, column),
        ...(related && column.key === ratio ? [times(row, base, ratio)] : []),
      ]);
      return `| ${[row.contender, ...cells].join(' | ')} |`;
    });
  return [`| | ${head.join(' | ')} |`, `|---|${'---:|'.repeat(head.length)}`, ...lines].join('\n');
}

function cell({ figures }: Row, { key, spread: wide }: Column): string {
  const spread = spreadOf(figures[key]);
  if (spread === undefined) return '–';
  const { median, least, most } = spread;
  return wide === true && least !== most ? `${short(median)} (${short(least)}–${short(most)})` : short(median);
}

function times(row: Row, base: Row, key: string): string {
  const spread = timesOf(row, base, key);
  return spread === undefined ? '–' : spread.median.toFixed(2);
}

function short(value: number): string {
  if (value >= 1_000) return Math.round(value).toLocaleString('en');
  return value >= 100 || Number.isInteger(value) ? String(Math.round(value)) : value.toFixed(1);
}
