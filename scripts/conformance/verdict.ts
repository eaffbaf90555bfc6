/** Judges a run through the gateway: against the same suite without it, or against the failures that are expected. */
import type { Check } from './suite.ts';

export interface Verdict {
  /** Scenarios in which everything passes, and all that said anything. */
  readonly scenarios: Count;
  readonly checks: Count;
  /** What fails the run, one sentence each; empty when all is well. */
  readonly complaints: readonly string[];
}

export interface Count {
  readonly passed: number;
  readonly all: number;
}

/** A failure that cannot be helped, and why. */
export interface Expected {
  /** `scenario:check`. */
  readonly check: string;
  readonly reason: string;
}

/** Same era on both sides: whatever passes without the gateway passes with it. */
export function judgeSame(direct: readonly Check[], through: readonly Check[]): Verdict {
  const found = byKey(through);
  const complaints = [...byKey(direct)].flatMap(([key, before]) => {
    if (!passes(before)) return [];
    const now = found.get(key);
    if (now === undefined) return [`${key} passes directly and was not reached through the gateway`];
    return now.some(isBad) ? [`${key} passes directly and not through the gateway: ${reasonOf(now)}`] : [];
  });
  return { ...count(through), complaints };
}

/** Different eras: only what is expected to fail fails, and all of that does. */
export function judgeExpected(through: readonly Check[], expected: readonly Expected[]): Verdict {
  const failing = new Map([...byKey(through)].filter(([, checks]) => checks.some(isBad)));
  const known = new Set(expected.map(({ check }) => check));
  const unexpected = [...failing]
    .filter(([key]) => !known.has(key))
    .map(([key, checks]) => `${key} fails: ${reasonOf(checks)}`);
  const stale = expected
    .filter(({ check }) => !failing.has(check))
    .map(({ check }) => `${check} is expected to fail and does not: remove its line`);
  const empty = through.length === 0 ? ['the suite said nothing'] : [];
  return { ...count(through), complaints: [...unexpected, ...stale, ...empty] };
}

/** Reads `  - scenario:check # reason` lines. Throws for a line without a reason. */
export function parseExpected(text: string): Expected[] {
  return text.split('\n').flatMap((line) => {
    if (!/^\s*-/.test(line)) return [];
    const [, check, reason] = /^\s*- (\S+:\S+) # (.+)$/.exec(line) ?? [];
    if (check === undefined || reason === undefined) throw new Error(`no check with a reason: ${line}`);
    return [{ check, reason }];
  });
}

export function count(checks: readonly Check[]): { readonly scenarios: Count; readonly checks: Count } {
  const scored = checks.filter(({ status }) => status !== 'INFO' && status !== 'SKIPPED');
  const scenarios = Map.groupBy(scored, ({ scenario }) => scenario);
  return {
    scenarios: { passed: [...scenarios.values()].filter((group) => !group.some(isBad)).length, all: scenarios.size },
    checks: { passed: scored.filter((check) => !isBad(check)).length, all: scored.length },
  };
}

function byKey(checks: readonly Check[]): Map<string, Check[]> {
  return Map.groupBy(checks, ({ scenario, id }) => `${scenario}:${id}`);
}

function passes(checks: readonly Check[]): boolean {
  return checks.some(({ status }) => status === 'SUCCESS') && !checks.some(isBad);
}

/** A warning is a SHOULD that is not kept. */
function isBad({ status }: Check): boolean {
  return status === 'FAILURE' || status === 'WARNING';
}

function reasonOf(checks: readonly Check[]): string {
  return checks.find(isBad)?.message?.split('\n')[0] ?? 'the suite gives no reason';
}
