/** Fails when a mandatory requirement is cited by no test, or a test cites one that does not exist. Runs no test. */
import { glob, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { REQUIREMENT_GROUPS, REQUIREMENT_ID } from '../test/requirements.ts';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const requirements = REQUIREMENT_GROUPS.flatMap((group) => group.requirements);
const known = new Set(requirements.map(({ id }) => id));
const cited = new Set<string>();

for await (const file of glob('{src,test}/**/*.test.ts', { cwd: ROOT })) {
  for (const [id] of (await readFile(`${ROOT}${file}`, 'utf8')).matchAll(REQUIREMENT_ID)) {
    cited.add(id);
    if (known.has(id)) continue;
    console.error(`${file} cites ${id}, which is not in test/requirements.ts`);
    process.exitCode = 1;
  }
}
for (const { id, title } of requirements.filter((each) => each.mandatory === true && !cited.has(each.id))) {
  console.error(`${id} is cited by no test: ${title}`);
  process.exitCode = 1;
}
