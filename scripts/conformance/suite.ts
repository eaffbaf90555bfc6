/** Runs a requirement set of the official conformance suite and reads what each of its checks said. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '../setup/run.ts';

const SUITE = fileURLToPath(import.meta.resolve('@modelcontextprotocol/conformance/package.json')).replace(
  /package\.json$/,
  'dist/index.js',
);
const AUTHORIZE = new URL('authorize.ts', import.meta.url).href;

/** The revisions that have a requirement set, which is also the wire that the suite then speaks. */
export type Revision = '2025-11-25' | '2026-07-28';

export type CheckStatus = 'SUCCESS' | 'FAILURE' | 'WARNING' | 'SKIPPED' | 'INFO';

export interface Check {
  readonly scenario: string;
  /** Id of the check within the scenario; the same id may occur several times. */
  readonly id: string;
  readonly status: CheckStatus;
  readonly message?: string;
}

export interface SuiteRun {
  readonly checks: readonly Check[];
  /** Everything that the suite printed. */
  readonly output: string;
}

/** Tests a server. `authorization` goes into a header of every request of the suite, which knows of none itself. */
export async function testServer(
  revision: Revision,
  url: string,
  options: { readonly authorization?: string; readonly signal?: AbortSignal } = {},
): Promise<SuiteRun> {
  const env = options.authorization === undefined ? {} : { CONFORMANCE_AUTHORIZATION: options.authorization };
  return runSuite(['server', '--requirements', revision, '--url', url], { ...options, env });
}

/** Tests a client: the command is started for every scenario with the URL of the suite's server as its last argument. */
export async function testClient(
  revision: Revision,
  command: string,
  options: { readonly scenario?: string; readonly signal?: AbortSignal } = {},
): Promise<SuiteRun> {
  const which =
    options.scenario === undefined
      ? ['--requirements', revision]
      : ['--scenario', options.scenario, '--spec-version', revision];
  return runSuite(['client', ...which, '--command', command], { ...options, env: {} });
}

async function runSuite(
  args: readonly string[],
  options: { readonly env: Readonly<Record<string, string>>; readonly signal?: AbortSignal },
): Promise<SuiteRun> {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-conformance-'));
  try {
    const done = await run(process.execPath, ['--import', AUTHORIZE, SUITE, ...args, '-o', folder], options);
    return { checks: await readChecks(folder), output: done.stdout + done.stderr };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The suite writes one folder for each scenario, `<server>-<scenario>-<time>`, with the checks in it. */
async function readChecks(folder: string): Promise<Check[]> {
  const checks: Check[] = [];
  for (const entry of await readdir(folder, { recursive: true })) {
    const scenario = /^(?:server-)?(.+)-\d{4}-\d\d-\d\dT[\d-]+Z\/checks\.json$/.exec(entry)?.[1];
    if (scenario === undefined) continue;
    const written: readonly { readonly id: string; readonly status: CheckStatus; readonly errorMessage?: string }[] =
      JSON.parse(await readFile(join(folder, entry), 'utf8'));
    for (const { id, status, errorMessage } of written) {
      checks.push({ scenario, id, status, ...(errorMessage === undefined ? {} : { message: errorMessage }) });
    }
  }
  return checks.toSorted((a, b) => (a.scenario < b.scenario ? -1 : a.scenario > b.scenario ? 1 : 0));
}
