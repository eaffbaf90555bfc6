/**
 * `npm run conformance [-- --only <part of a name>]`: the official conformance suite through a real gateway, for every
 * combination of eras, wires and endpoints, and with the gateway as client. Prints two tables; fails when the gateway
 * loses something. `--verbose` shows all output of what failed, `--write` puts the tables into docs/reference.
 */
import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { runClientSet } from './conformance/client-set.ts';
import { LEGS } from './conformance/legs.ts';
import { runAll, strayExpectations } from './conformance/run-all.ts';
import { renderClientTable, renderPage, renderServerTable } from './conformance/table.ts';
import { obtainDocker } from './setup/install-docker.ts';

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    verbose: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
  },
});
const parallel = Math.max(2, Math.min(4, availableParallelism()));
await using parts = new AsyncDisposableStack();
const docker = await obtainDocker();
if ('reason' in docker) console.log(`Legs with containers are left out: ${docker.reason}.`);
else parts.use(docker);

const legs = LEGS.filter(({ name, wire }) => name.includes(values.only) && (wire === 'http' || !('reason' in docker)));
const results = await runAll(legs, {
  parallel,
  onResult: ({ name, verdict, output }) => {
    if (verdict.complaints.length === 0) return;
    console.log(`✗ ${name}\n${verdict.complaints.map((line) => `    ${line}`).join('\n')}`);
    if (values.verbose) console.log(output);
  },
});
const clients = await runClientSet({ parallel, only: values.only });
for (const { scenario, outcome, output } of clients) {
  if (outcome === 'failed' && values.verbose) console.log(`✗ ${scenario}\n${output}`);
}
if (results.length > 0) console.log(`\n${renderServerTable(results)}`);
if (clients.length > 0) console.log(`\n${renderClientTable(clients)}`);
if (values.write) {
  await writeFile(new URL('../docs/reference/conformance.md', import.meta.url), renderPage(results, clients));
}
const stray = await strayExpectations(LEGS);
for (const file of stray) console.log(`test/conformance/expected/${file} belongs to no leg`);
const failed =
  results.filter(({ verdict }) => verdict.complaints.length > 0).length +
  clients.filter(({ outcome }) => outcome === 'failed').length +
  stray.length;
console.log(`\n${failed === 0 ? 'Nothing is lost.' : `${failed} failed.`}`);
process.exitCode = failed === 0 ? 0 : 1;
