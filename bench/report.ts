/** Figures as a table for people and as JSON for programs. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { arch, cpus, release, totalmem, type } from 'node:os';
import { join } from 'node:path';
import type { Measured, Plan, Round } from './measure.ts';
import { PATHS } from './paths.ts';
import type { Workload } from './workload.ts';

export interface Result {
  readonly workload: Workload;
  readonly measured: readonly Measured[];
  /** Where the time of Gatehouse goes: shares of the samples of a profile, largest first. */
  readonly profile: readonly { readonly where: string; readonly share: number }[];
}

export interface Report {
  readonly date: string;
  readonly machine: Readonly<Record<string, string>>;
  readonly versions: Readonly<Record<string, string>>;
  readonly plan: Plan;
  readonly results: readonly Result[];
}

export function machine(): Record<string, string> {
  return {
    processor: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `${type()} ${release()} ${arch()}`,
  };
}

const BEGIN = '<!-- figures: written by npm run bench -->';
const END = '<!-- end of figures -->';

/** Writes both; returns the path of the JSON. */
export function writeReport(report: Report): string {
  mkdirSync(PATHS.results, { recursive: true });
  const file = join(PATHS.results, `${report.date}.json`);
  writeFileSync(file, `${JSON.stringify(report, undefined, 2)}\n`);
  const text = readFileSync(PATHS.readme, 'utf8');
  const [before, after] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (before === -1 || after === -1) throw new Error(`${PATHS.readme} has no place for the figures`);
  const figures = `${BEGIN}\n\n${markdown(report)}\n\n`;
  writeFileSync(PATHS.readme, text.slice(0, before) + figures + text.slice(after));
  return file;
}

export function markdown({ date, machine: on, versions, plan, results }: Report): string {
  const facts = [
    `Measured ${date} on ${Object.values(on).join(', ')}; ${Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', ')}.`,
    `${plan.rounds} interleaved rounds of ${plan.seconds} s after ${plan.warmUpRequests.toLocaleString('en')} requests of warm-up${plan.cpus === undefined ? '' : ', what is tested alone on one processor'}.`,
  ];
  return [...facts, ...results.map(section)].join('\n\n');
}

function section({ workload, measured, profile }: Result): string {
  const yardstick = measured.find(({ contender }) => contender === 'nginx');
  const least = yardstick && Math.min(...values(yardstick.rounds, 'cpu'));
  const lines = measured.map((one) => line(one, least));
  return [
    `### ${workload.title}`,
    `${workload.connections} connections, ${workload.rate === 0 ? 'saturated' : `${workload.rate} requests/s`}.${workload.target === undefined ? '' : ` Target: at most ${workload.target} × nginx.`}`,
    [
      '| | CPU µs/request: median (min–max) | user + system | × nginx (min) | requests/s | p50 / p99 µs | memory MiB: idle, loaded |',
      '|---|---|---|---|---|---|---|',
      ...lines,
    ].join('\n'),
    ...(profile.length === 0
      ? []
      : [
          `Gatehouse's own time: ${profile.map(({ where, share }) => `${where} ${(share * 100).toFixed(0)} %`).join(', ')}.`,
        ]),
  ].join('\n\n');
}

function line({ contender, rounds, memoryIdle, faults }: Measured, least: number | undefined): string {
  const cpu = values(rounds, 'cpu');
  const ratio = least === undefined || least === 0 ? '' : (Math.min(...cpu) / least).toFixed(2);
  const cells = [
    faults.length === 0 ? contender : `${contender} (**worthless**: ${faults.join('; ')})`,
    `${short(median(cpu))} (${short(Math.min(...cpu))}–${short(Math.max(...cpu))})`,
    `${short(median(values(rounds, 'user')))} + ${short(median(values(rounds, 'system')))}`,
    ratio,
    Math.round(median(values(rounds, 'requestsPerSecond'))).toLocaleString('en'),
    `${Math.round(median(values(rounds, 'p50')))} / ${Math.round(median(values(rounds, 'p99')))}`,
    `${Math.round(memoryIdle)}, ${Math.round(median(values(rounds, 'memory')))}`,
  ];
  return `| ${cells.join(' | ')} |`;
}

function values(
  rounds: readonly Round[],
  field: 'cpu' | 'user' | 'system' | 'requestsPerSecond' | 'p50' | 'p99' | 'memory',
): number[] {
  return rounds.map((round) => round[field]);
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}

function short(value: number): string {
  return value < 100 ? value.toFixed(1) : String(Math.round(value));
}
