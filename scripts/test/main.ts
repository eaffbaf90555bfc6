/** Sets up what the tests need, runs all of them, cleans up, and closes with one line that counts. */
import { busyboxImage, fixtureImage } from '../../test/rig/images.ts';
import { smallDiskMissing } from '../../test/store/small-disk.ts';
import { installDebianPackages } from '../setup/debian.ts';
import { obtainDocker } from '../setup/install-docker.ts';
import { postgresPrograms } from '../setup/postgres.ts';
import { CHECKS, runCheck } from './checks.ts';
import { assess } from './compliance.ts';
import { readOutcomes, runVitest } from './vitest-run.ts';
import type { TestOutcome } from './vitest-run.ts';

/** What tests run beside Docker. */
const PACKAGES = ['busybox-static', 'catatonit', 'curl', 'nftables', 'openssl', 'podman', 'postgresql', 'runc'];
const NO_POSTGRES = 'it is not installed';

interface Tally {
  passed: number;
  failed: number;
  /** One line for each thing that was left out. */
  readonly leftOut: string[];
}

const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'disconnect'] as const) process.on(signal, onSignal);

const tally: Tally = { passed: 0, failed: 0, leftOut: [] };
try {
  await runEverything(tally, process.argv.slice(2));
} catch (error) {
  // The closing line comes whatever happened.
  console.error(error);
  tally.failed += 1;
}
// The channel to the parent would keep this process alive.
process.removeAllListeners('disconnect');
if (process.connected) process.disconnect?.();
if (tally.leftOut.length > 0) console.log(`\nLeft out:\n${tally.leftOut.map((line) => `  ${line}`).join('\n')}`);
console.log(`\n${tally.passed} passed, ${tally.failed} failed, ${tally.leftOut.length} skipped`);
process.exitCode = tally.failed === 0 && !stopping.signal.aborted ? 0 : 1;

/** The first signal ends the tests and cleans up; the second one ends this process. */
function onSignal(): void {
  if (stopping.signal.aborted) process.exit(1);
  stopping.abort();
}

/** `vitestArgs` narrow the run to some tests; the checks run always. */
async function runEverything(count: Tally, vitestArgs: readonly string[]): Promise<void> {
  const packagesMissing = await installDebianPackages(PACKAGES);
  if (packagesMissing !== undefined) console.log(`Not every program that tests use may be there: ${packagesMissing}.`);
  if (postgresPrograms() === undefined) console.log(`Without PostgreSQL: ${NO_POSTGRES}.`);
  const noDisk = smallDiskMissing();
  if (noDisk !== '') console.log(`Without tests of a full disk: ${noDisk}.`);
  const docker = await obtainDocker();
  await using parts = new AsyncDisposableStack();
  const noDocker = 'reason' in docker ? docker.reason : undefined;
  if ('reason' in docker) console.log(`Without containers: ${docker.reason}.`);
  else parts.use(docker);

  for (const check of CHECKS) {
    if (await runCheck(check)) count.passed += 1;
    else count.failed += 1;
  }
  if (stopping.signal.aborted) return;
  if (noDocker === undefined) await Promise.all([fixtureImage(), busyboxImage()]);

  const status = await runVitest(vitestArgs, stopping.signal);
  const outcomes = (await readOutcomes()) ?? [];
  countTests(count, outcomes, noDocker, noDisk);
  if (status !== 0 && !outcomes.some((test) => test.status === 'failed')) {
    console.log('✗ vitest ended with an error that belongs to no test; its message stands above');
    count.failed += 1;
  }
  for (const { id, test } of assess(outcomes).unknown) {
    console.log(`✗ ${test.file}: "${test.name}" cites ${id}, which is not in test/requirements.ts`);
    count.failed += 1;
  }
}

function countTests(
  count: Tally,
  outcomes: readonly TestOutcome[],
  noDocker: string | undefined,
  noDisk: string,
): void {
  const reason = noDocker === undefined ? 'its own condition is not met' : `no containers: ${noDocker}`;
  for (const test of outcomes) {
    const noPostgres = test.name.includes('(PostgreSQL)') && postgresPrograms() === undefined;
    const isOfDisk = test.name.includes('a full disk') && noDisk !== '';
    const why = noPostgres ? `no PostgreSQL: ${NO_POSTGRES}` : isOfDisk ? noDisk : reason;
    if (test.status === 'skipped') count.leftOut.push(`${test.file}: ${test.name} (${why})`);
    else count[test.status] += 1;
  }
}
