/** What the proofs have measured, with what it was measured on, as one page. */
import { readFile, writeFile } from 'node:fs/promises';
import { arch, availableParallelism, cpus, release, totalmem, type } from 'node:os';

const PAGES = new URL('../../docs/reference/', import.meta.url);

export interface ProofPage {
  /** Its file in docs/reference. */
  readonly file: string;
  readonly title: string;
  /** A paragraph: what is measured, and how to do it again. */
  readonly introduction: string;
  /** Where the results are kept, so that one proof can be made anew. */
  readonly results: URL;
}

export interface Proof {
  readonly title: string;
  /** What was done, in a paragraph. */
  readonly how: string;
  /** Heads of the columns; default: two without. */
  readonly columns?: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Keeps the result of one proof and writes the page anew from all that are kept; `name` says its place among them. */
export async function keepProof(page: ProofPage, name: string, proof: Proof): Promise<void> {
  const kept = await readResults(page.results);
  kept[name] = { ...proof, date: new Date().toISOString().slice(0, 10), machine: machine() };
  await writeFile(page.results, `${JSON.stringify(kept, undefined, 2)}\n`);
  await writeFile(new URL(page.file, PAGES), textOf(page, kept));
  for (const [what, ...figures] of proof.rows) console.log(`  ${what}: ${figures.join(' ')}`);
}

interface Kept extends Proof {
  readonly date: string;
  readonly machine: string;
}

async function readResults(results: URL): Promise<Record<string, Kept>> {
  try {
    return JSON.parse(await readFile(results, 'utf8')) as Record<string, Kept>;
  } catch {
    return {};
  }
}

function machine(): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor';
  const memory = Math.round(totalmem() / 1024 ** 3);
  return `${availableParallelism()} cores (${model}), ${memory} GiB, ${type()} ${release()} ${arch()}, Node ${process.version}, OpenSSL ${process.versions.openssl}`;
}

function textOf({ title: heading, introduction }: ProofPage, kept: Readonly<Record<string, Kept>>): string {
  const sections = Object.entries(kept)
    .toSorted(([a], [b]) => a.localeCompare(b))
    .map(([, { title, how, columns = ['', ''], rows, date, machine: on }]) =>
      [
        `## ${title}`,
        how,
        [
          rowOf(columns),
          rowOf(
            columns.map(() => '---'),
            '',
          ),
          ...rows.map((row) => rowOf(row)),
        ].join('\n'),
        `Measured on ${date}: ${on}.`,
      ].join('\n\n'),
    );
  return `${[`# ${heading}`, introduction, ...sections].join('\n\n')}\n`;
}

function rowOf(cells: readonly string[], space = ' '): string {
  return `|${cells.map((cell) => (cell === '' ? ' ' : `${space}${cell}${space}`)).join('|')}|`;
}
