/** Runs all legs of the conformance run, a few at a time, and judges them. */
import { readFile, readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Era, Leg } from './legs.ts';
import { runDirect, runLeg } from './run-leg.ts';
import type { Check, SuiteRun } from './suite.ts';
import { count, judgeExpected, judgeSame, parseExpected, type Expected, type Verdict } from './verdict.ts';

const EXPECTED = fileURLToPath(new URL('../../test/conformance/expected/', import.meta.url));

/** A leg that takes longer than this hangs: the suite gives each scenario half a minute. */
const LEG_TIMEOUT_MS = 180_000;

export interface LegResult {
  readonly name: string;
  readonly verdict: Verdict;
  /** What passes at the same servers without the gateway; undefined where no client of the suite could speak to them. */
  readonly direct: Pick<Verdict, 'scenarios' | 'checks'> | undefined;
  readonly expected: readonly Expected[];
  readonly checks: readonly Check[];
  readonly seconds: number;
  /** All output of the suite and the gateway, for whoever looks for the cause. */
  readonly output: string;
}

/**
 * Calls `onResult` for every leg as it ends. `parallel` legs run at a time. What fails is run once more, with nothing
 * beside it: the suite gives some answers one second, which a busy machine may need for the start of a container.
 */
export async function runAll(
  legs: readonly Leg[],
  options: { readonly parallel: number; readonly onResult?: (result: LegResult) => void },
): Promise<LegResult[]> {
  const direct = new Map<Era, Promise<SuiteRun>>();
  const directOf = async (era: Era): Promise<SuiteRun> => {
    let run = direct.get(era);
    if (run === undefined) direct.set(era, (run = runDirect(era)));
    return run;
  };
  const waiting = [...legs];
  const again: Leg[] = [];
  const results: LegResult[] = [];
  const settle = (result: LegResult): void => {
    results.push(result);
    options.onResult?.(result);
  };
  const work = async (): Promise<void> => {
    for (let leg = waiting.shift(); leg !== undefined; leg = waiting.shift()) {
      const result = await judge(leg, await directOf(leg.client));
      if (result.verdict.complaints.length === 0) settle(result);
      else again.push(leg);
    }
  };
  await Promise.all(Array.from({ length: options.parallel }, work));
  for (const leg of again) settle(await judge(leg, await directOf(leg.client)));
  return results.toSorted((a, b) => indexOf(legs, a) - indexOf(legs, b));
}

/** Names of files with expected failures that belong to no leg. */
export async function strayExpectations(legs: readonly Leg[]): Promise<string[]> {
  const known = new Set(legs.map(({ name }) => `${name}.yml`));
  return (await readdir(EXPECTED).catch(() => [])).filter((file) => !known.has(file));
}

async function judge(leg: Leg, direct: SuiteRun): Promise<LegResult> {
  const begun = performance.now();
  const sameEra = leg.client === leg.server;
  const expected = sameEra ? [] : await readExpected(leg.name);
  const through = await runLeg(leg, AbortSignal.timeout(LEG_TIMEOUT_MS)).catch((error: unknown) => ({
    checks: [],
    output: String(error instanceof Error ? error.stack : error),
  }));
  return {
    name: leg.name,
    verdict: sameEra ? judgeSame(direct.checks, through.checks) : judgeExpected(through.checks, expected),
    direct: sameEra ? count(direct.checks) : undefined,
    expected,
    checks: through.checks,
    seconds: Math.round((performance.now() - begun) / 1_000),
    output: through.output,
  };
}

async function readExpected(name: string): Promise<Expected[]> {
  return parseExpected(await readFile(`${EXPECTED}${name}.yml`, 'utf8').catch(() => ''));
}

function indexOf(legs: readonly Leg[], { name }: LegResult): number {
  return legs.findIndex((leg) => leg.name === name);
}
