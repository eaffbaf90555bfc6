/** The client requirement sets of the official suite, with the gateway as the client under test. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { testClient, type Revision } from './suite.ts';
import { count } from './verdict.ts';

const COMMAND = `${process.execPath} ${fileURLToPath(new URL('client-under-test.ts', import.meta.url))}`;
const SCENARIO_TIMEOUT_MS = 60_000;

const LEFT_OUT: readonly (readonly [RegExp, string])[] = [
  [/^auth\//, 'the gateway is no OAuth client of its servers: it sends static headers or GitHub Actions OIDC tokens'],
  [/^sep-2640-/, 'skills are files that a client reads and verifies; the gateway passes them on'],
];

export interface ClientResult {
  readonly scenario: string;
  readonly revision: Revision;
  readonly outcome: 'passed' | 'failed' | 'left out';
  readonly passed: number;
  readonly all: number;
  /** Why it is left out, or what fails. */
  readonly reason?: string;
  readonly output: string;
}

/** Runs every scenario of both revisions that applies, `parallel` at a time. */
export async function runClientSet(options: {
  readonly parallel: number;
  readonly only?: string;
}): Promise<ClientResult[]> {
  const wanted = (await Promise.all([listed('2025-11-25'), listed('2026-07-28')])).flat();
  const waiting = wanted.filter(({ scenario }) => scenario.includes(options.only ?? ''));
  const results: ClientResult[] = [];
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) results.push(await runOne(next));
  };
  await Promise.all(Array.from({ length: options.parallel }, work));
  const order = wanted.map(({ scenario, revision }) => `${revision} ${scenario}`);
  return results.toSorted(
    (a, b) => order.indexOf(`${a.revision} ${a.scenario}`) - order.indexOf(`${b.revision} ${b.scenario}`),
  );
}

interface Wanted {
  readonly scenario: string;
  readonly revision: Revision;
}

async function runOne({ scenario, revision }: Wanted): Promise<ClientResult> {
  const leftOut = LEFT_OUT.find(([pattern]) => pattern.test(scenario))?.[1];
  if (leftOut !== undefined) {
    return { scenario, revision, outcome: 'left out', passed: 0, all: 0, reason: leftOut, output: '' };
  }
  const { checks, output } = await testClient(revision, COMMAND, {
    scenario,
    signal: AbortSignal.timeout(SCENARIO_TIMEOUT_MS),
  });
  const counted = count(checks).checks;
  const bad = checks.find(({ status }) => status === 'FAILURE' || status === 'WARNING');
  const passed = counted.all > 0 && bad === undefined;
  const reason = passed
    ? {}
    : { reason: bad === undefined ? 'the suite said nothing' : `${bad.id}: ${bad.message ?? ''}` };
  return { scenario, revision, outcome: passed ? 'passed' : 'failed', ...counted, ...reason, output };
}

/** What a revision requires of clients: the list under `client:` in the suite's own file. */
async function listed(revision: Revision): Promise<Wanted[]> {
  const manifest = fileURLToPath(import.meta.resolve('@modelcontextprotocol/conformance/package.json'));
  const text = await readFile(manifest.replace(/package\.json$/, `requirements/${revision}.yaml`), 'utf8');
  const section = /^client:\n((?: {2}- .+\n)+)/m.exec(text)?.[1] ?? '';
  return [...section.matchAll(/^ {2}- (\S+)/gm)].map(([, scenario = '']) => ({ scenario, revision }));
}
