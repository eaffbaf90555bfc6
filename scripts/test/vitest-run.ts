/** Runs vitest and reads the result that its JSON reporter writes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Where the result of the last run lies; not under version control. */
export const RESULT_FILE = fileURLToPath(new URL('../../test-results/vitest.json', import.meta.url));

export interface TestOutcome {
  /** Path from the repository's root. */
  readonly file: string;
  /** Titles of the suites and the test, outermost first. */
  readonly name: string;
  readonly status: 'passed' | 'failed' | 'skipped';
}

/** Runs vitest with its output on the terminal. Answers with its exit status. */
export async function runVitest(args: readonly string[], signal?: AbortSignal): Promise<number> {
  await mkdir(dirname(RESULT_FILE), { recursive: true });
  await rm(RESULT_FILE, { force: true });
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${RESULT_FILE}`];
  const vitest = fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', import.meta.url));
  const child = spawn(process.execPath, [vitest, 'run', ...reporters, ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  signal?.addEventListener('abort', () => child.kill('SIGTERM'), { once: true });
  process.once('exit', () => child.kill('SIGKILL'));
  const [status]: unknown[] = await once(child, 'close');
  return typeof status === 'number' ? status : 1;
}

interface ResultFile {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message?: string;
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

/** Every test of the last run; a file that could not be loaded counts as one failed test. Undefined without a run. */
export async function readOutcomes(): Promise<TestOutcome[] | undefined> {
  const text = await readFile(RESULT_FILE, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const result: ResultFile = JSON.parse(text);
  return result.testResults.flatMap(({ name, status, assertionResults }) => {
    const file = name.startsWith(ROOT) ? name.slice(ROOT.length) : name;
    const tests = assertionResults.map((test) => ({ file, name: test.fullName, status: statusOf(test.status) }));
    const broken = status === 'failed' && !tests.some((test) => test.status === 'failed');
    return broken ? [...tests, { file, name: 'the file as a whole', status: 'failed' as const }] : tests;
  });
}

function statusOf(status: string): TestOutcome['status'] {
  return status === 'passed' || status === 'failed' ? status : 'skipped';
}
