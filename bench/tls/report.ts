/** What the proofs have measured, with what it was measured on, as one page. */
import { readFile, writeFile } from 'node:fs/promises';
import { arch, availableParallelism, cpus, release, totalmem, type } from 'node:os';
import { fileURLToPath } from 'node:url';

const PAGE = fileURLToPath(new URL('../../docs/reference/tls-proofs.md', import.meta.url));
const RESULTS = new URL('./results.json', import.meta.url);

export interface Proof {
  readonly title: string;
  /** What was done, in a paragraph. */
  readonly how: string;
  readonly rows: readonly (readonly [string, string])[];
}

/** Keeps the result of one proof and writes the page anew from all that are kept. */
export async function keepProof(name: string, proof: Proof): Promise<void> {
  const kept = await readResults();
  kept[name] = { ...proof, date: new Date().toISOString().slice(0, 10), machine: machine() };
  await writeFile(RESULTS, `${JSON.stringify(kept, undefined, 2)}\n`);
  await writeFile(PAGE, page(kept));
  for (const [what, figure] of proof.rows) console.log(`  ${what}: ${figure}`);
}

interface Kept extends Proof {
  readonly date: string;
  readonly machine: string;
}

async function readResults(): Promise<Record<string, Kept>> {
  try {
    return JSON.parse(await readFile(RESULTS, 'utf8')) as Record<string, Kept>;
  } catch {
    return {};
  }
}

function machine(): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor';
  const memory = Math.round(totalmem() / 1024 ** 3);
  return `${availableParallelism()} cores (${model}), ${memory} GiB, ${type()} ${release()} ${arch()}, Node ${process.version}, OpenSSL ${process.versions.openssl}`;
}

function page(kept: Readonly<Record<string, Kept>>): string {
  const sections = Object.entries(kept)
    .toSorted(([a], [b]) => a.localeCompare(b))
    .map(([, { title, how, rows, date, machine: on }]) =>
      [
        `## ${title}`,
        how,
        ['| | |', '|---|---|', ...rows.map(([what, figure]) => `| ${what} | ${figure} |`)].join('\n'),
        `Measured on ${date}: ${on}.`,
      ].join('\n\n'),
    );
  return [
    '# Measured: mTLS and rotation',
    'Real TLS between real processes on one machine: gateway, server and clients share its cores, and other work ran beside them. `node bench/tls/main.ts` measures all of it again and writes this page; `node bench/tls/main.ts NAME` one of them. Small versions of the same run with every `npm test` (`test/tls`).',
    ...sections,
    '',
  ].join('\n\n');
}
