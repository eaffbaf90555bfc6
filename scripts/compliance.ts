/**
 * `npm run compliance [-- --write]`: which requirements have a test that proves them, from the last run of the tests
 * (or from a new one when there was none). A test that cites an id that does not exist makes it fail.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assess, renderMarkdown, renderText } from './test/compliance.ts';
import { readOutcomes, runVitest } from './test/vitest-run.ts';

const PAGE = fileURLToPath(new URL('../docs/reference/compliance.md', import.meta.url));

let outcomes = await readOutcomes();
if (outcomes === undefined) {
  await runVitest([]);
  outcomes = (await readOutcomes()) ?? [];
}
const report = assess(outcomes);
console.log(renderText(report));
for (const { id, test } of report.unknown) {
  console.error(`${test.file}: "${test.name}" cites ${id}, which is not in test/requirements.ts`);
  process.exitCode = 1;
}
if (process.argv.includes('--write')) {
  await mkdir(dirname(PAGE), { recursive: true });
  await writeFile(PAGE, renderMarkdown(report));
}
