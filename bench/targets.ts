/** What Gatehouse is to reach, and whether a run shows it. */
import { spreadOf, timesOf, type Row, type Section, type Spread } from './section.ts';

interface Target {
  readonly what: string;
  readonly workload: string;
  readonly figure: string;
  /** Default: gatehouse. */
  readonly contender?: string;
  /** In multiples of these, each of them; without them in the unit of the figure. */
  readonly over?: readonly string[];
  readonly most: number;
  readonly unit?: string;
}

const PEERS = ['sdk-proxy', 'mcp-proxy', 'supergateway'];
const CPU = { figure: 'cpu', over: ['nginx'] } as const;

export const TARGETS: readonly Target[] = [
  { ...CPU, what: 'small call, saturated', workload: 'small', most: 2 },
  { ...CPU, what: 'small call, 2,000 requests/s', workload: 'small-2000', most: 1.4 },
  { what: 'p50 at 2,000 requests/s', workload: 'small-2000', figure: 'p50', over: ['nginx'], most: 1.15 },
  { ...CPU, what: 'small call, legacy session', workload: 'small-legacy', most: 2 },
  { ...CPU, what: 'answers as event streams', workload: 'sse', most: 2 },
  { ...CPU, what: '10 KB both ways, inspected', workload: '10k', most: 3.5 },
  { ...CPU, what: '1 MB both ways', workload: '1m', most: 3 },
  { ...CPU, what: 'mutual TLS to the server', workload: 'mtls', most: 2.2 },
  {
    what: 'container call, child included',
    workload: 'container',
    figure: 'cpu',
    contender: 'gatehouse-container',
    over: ['gatehouse'],
    most: 1.3,
  },
  { what: 'each MCP peer', workload: 'peers', figure: 'cpu', over: PEERS, most: 0.1 },
  { what: 'memory idle', workload: 'memory', figure: 'idle', most: 120, unit: 'MB' },
  { what: 'memory of an idle stream', workload: 'streams', figure: 'perStream', most: 20, unit: 'kB' },
];

export interface Verdict {
  readonly what: string;
  readonly workload: string;
  /** Such as `at most 2 × nginx`. */
  readonly target: string;
  /** Median, with least and most in brackets; the worst where there are several others. */
  readonly figure: string;
  readonly met: boolean;
}

/** Of all targets whose workloads were measured. */
export function verdictsOf(sections: readonly Section[]): readonly Verdict[] {
  return TARGETS.flatMap((target) => {
    const section = sections.find(({ name }) => name === target.workload);
    const row = (name: string): Row | undefined => section?.rows.find(({ contender }) => contender === name);
    const ours = row(target.contender ?? 'gatehouse');
    const others = target.over ?? [];
    const spreads =
      target.over === undefined
        ? [spreadOf(ours?.figures[target.figure])]
        : others.map((name) => timesOf(ours, row(name), target.figure));
    const known = spreads.filter((spread) => spread !== undefined);
    const worst = known.toSorted((a, b) => b.median - a.median)[0];
    if (worst === undefined) return [];
    const involved = [ours, ...others.map(row)];
    const holds = known.length === spreads.length && involved.every((one) => one?.faults.length === 0);
    return [{ ...wordsOf(target, worst, holds), met: holds && worst.median <= target.most }];
  });
}

function wordsOf(target: Target, worst: Spread, holds: boolean): Omit<Verdict, 'met'> {
  const { what, workload, most, over, unit } = target;
  const of = over === undefined ? (unit ?? '') : `× ${over.join(', ')}`;
  const digits = over === undefined ? 0 : 2;
  const figure = `${worst.median.toFixed(digits)} (${worst.least.toFixed(digits)}–${worst.most.toFixed(digits)})`;
  return { what, workload, target: `at most ${most} ${of}`, figure: holds ? figure : `${figure}, figures do not hold` };
}
