/** From the command line to an exit status. */
import { takeHangupOver } from './cli/hangup.ts';
import { keepYoungMemorySmall } from './shared/young-memory.ts';

const MINIMUM_NODE = 24;
/** What still runs when the work is done, such as a connection that nobody closed, may not hold the exit up for longer. */
const EXIT_DEADLINE_MS = 2_000;

takeHangupOver();
keepYoungMemorySmall();
if (Number.parseInt(process.versions.node, 10) < MINIMUM_NODE) {
  process.stderr.write(
    `gatehouse needs Node ${MINIMUM_NODE} or newer, this is ${process.version}. Install a current one from https://nodejs.org/ and try again.\n`,
  );
  process.exit(1);
}
// A reader of stdout that has gone away (`gatehouse schema | head`) is no fault.
process.stdout.on('error', () => undefined);

// Only now: what follows is written for a current Node and does not load on an old one.
const { runCommandLine } = await import('./cli/program.ts');
process.exitCode = await runCommandLine(process.argv.slice(2), process.env);
setTimeout(() => process.exit(), EXIT_DEADLINE_MS).unref();
