/** The tables that the tests go through, counted: how many of their cases there are, and how many pass. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { keepProof } from '../report/proof-page.ts';
import { REGISTRY_PROOFS } from './page.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const VITEST = join(ROOT, 'node_modules/vitest/vitest.mjs');

const TABLES: readonly { readonly what: string; readonly files: readonly string[] }[] = [
  { what: 'addresses that a server must not have (SSRF), on both stores', files: ['test/ssrf'] },
  { what: 'JSON Web Tokens', files: ['src/auth/jwt'] },
  { what: 'principal × object × verb over every route of the API', files: ['test/e2e/auth/api-matrix.test.ts'] },
  { what: 'principal × visibility over every MCP method', files: ['test/e2e/auth/mcp-matrix.test.ts'] },
  {
    what: '100 registrations of one name at once (one 201, ninety-nine 409), and the others of the file, on both stores',
    files: ['test/registry/registration.test.ts'],
  },
  { what: 'a full disk, a torn log, a database that goes and comes back', files: ['test/store'] },
];

interface Report {
  readonly numPassedTests: number;
  readonly numTotalTests: number;
}

export async function proveTables(): Promise<void> {
  const rows: [string, string][] = [];
  for (const { what, files } of TABLES) {
    const { numPassedTests, numTotalTests } = await run(files);
    if (numTotalTests === 0 || numPassedTests !== numTotalTests) process.exitCode = 1;
    rows.push([`${what} (\`${files.join('`, `')}\`)`, `${numPassedTests} of ${numTotalTests}`]);
  }
  await keepProof(REGISTRY_PROOFS, '2-tables', {
    title: 'Tables',
    how: 'Cases that pass, and all of them. They run with every `npm test`.',
    rows,
  });
}

async function run(files: readonly string[]): Promise<Report> {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-tables-'));
  try {
    const file = join(folder, 'report.json');
    const options = ['--project', 'gatehouse', '--reporter', 'json', '--outputFile', file];
    const vitest = spawn(process.execPath, [VITEST, 'run', ...options, ...files], { cwd: ROOT, stdio: 'ignore' });
    await once(vitest, 'close');
    return JSON.parse(await readFile(file, 'utf8')) as Report;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
