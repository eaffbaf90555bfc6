/** The commands of the audit log: `audit verify`, `audit export` and `audit prune`. */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { followRecord } from '../store/audit/audit-export.ts';
import type { AuditLimits } from '../store/audit/audit-limits.ts';
import type { ChainPlace } from '../store/audit/verify-audit.ts';
import { openStore } from '../store/open-store.ts';
import type { AuditVerdict, ChainedAuditRecord, Store } from '../store/store.ts';
import { EXIT_FAILURE, EXIT_OK } from './exit-codes.ts';
import { writeDocument, writeText } from './stdout-document.ts';
import { operator, type StoreOptions, withStoreOptions } from './store-commands.ts';
import { storeOfCommand } from './store-location.ts';
import { UsageError } from './usage-error.ts';

const PAGE = 500;

interface VerifyOptions extends StoreOptions {
  readonly json?: true;
  readonly expect?: string;
  readonly file?: string;
}

interface ExportOptions extends StoreOptions {
  readonly from?: string;
}

interface PruneOptions extends StoreOptions {
  readonly keepDays?: string;
  readonly keepLines?: string;
  readonly through?: string;
}

export const AUDIT_EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  'audit verify': [
    'gatehouse audit verify --data-dir /var/lib/gatehouse',
    'gatehouse audit verify --expect 1102:5d46f3e3c09e242ea2059f83122d855d1869e34ac4a742b66f98459945eee03f',
    'gatehouse audit verify --file audit.jsonl',
  ],
  'audit export': [
    'gatehouse audit export --data-dir /var/lib/gatehouse > audit.jsonl',
    'gatehouse audit export --from 1103 >> audit.jsonl',
  ],
  'audit prune': [
    'gatehouse audit prune --through 1102:5d46f3e3c09e242ea2059f83122d855d1869e34ac4a742b66f98459945eee03f',
    'gatehouse audit prune --keep-days 90 --data-dir /var/lib/gatehouse',
  ],
};

export function addAudit(program: Command, env: NodeJS.ProcessEnv, done: (status: number) => void): void {
  const audit = program.command('audit').description('the audit log of the store');
  withStoreOptions(audit.command('verify'))
    .description('check that no line of the audit log was changed, added or taken away')
    .option(
      '--expect <line:hash>',
      'also check that this line has this hash, as an earlier verification has printed it',
    )
    .option('--file <file>', 'check a file that audit export has written, in place of the store')
    .option('--json', 'print the result as JSON')
    .action(async (options: VerifyOptions) => {
      const expected = options.expect === undefined ? undefined : parseLine('--expect', options.expect);
      if (options.file !== undefined && expected !== undefined)
        throw new UsageError(['--expect asks the store: leave out --file or --expect']);
      const verdict =
        options.file === undefined ? await verifyStore(options, env, expected) : await verifyFile(options.file);
      if (options.json === true) await writeDocument(verdict);
      else if (verdict.ok) await writeText(`The audit log is whole: ${describeVerdict(verdict)}\n`);
      else process.stderr.write(`error: audit log, line ${verdict.sequence}: ${verdict.reason}\n`);
      done(verdict.ok ? EXIT_OK : EXIT_FAILURE);
    });
  withStoreOptions(audit.command('export'))
    .description('print the audit log as JSON lines, each with the hashes that chain it')
    .option('--from <line>', 'begin with this line (default: the first that is there)')
    .action(async (options: ExportOptions) => {
      const from = options.from === undefined ? 1 : positive('--from', options.from);
      await using store = await openStore(storeOfCommand(options, env), { mustExist: true });
      const last = await exportLines(store, from);
      process.stderr.write(last === undefined ? 'There are no such lines.\n' : `Up to ${last.sequence}:${last.hash}\n`);
      done(EXIT_OK);
    });
  withStoreOptions(audit.command('prune'))
    .description('remove the oldest lines of the audit log; what is left still verifies, and tells of it')
    .option('--keep-days <days>', 'remove lines that are older')
    .option('--keep-lines <lines>', 'remove the oldest when there are more')
    .option('--through <line:hash>', 'remove lines up to this one, as audit export has printed it')
    .action(async (options: PruneOptions) => {
      const limits = limitsOf(options);
      await using store = await openStore(storeOfCommand(options, env), { mustExist: true });
      const removed = await prune(store, limits);
      await writeText(removed === 0 ? 'There was nothing to remove.\n' : `${removed} line(s) were removed.\n`);
      done(EXIT_OK);
    });
}

async function verifyStore(
  options: StoreOptions,
  env: NodeJS.ProcessEnv,
  expected: ChainPlace | undefined,
): Promise<AuditVerdict> {
  await using store = await openStore(storeOfCommand(options, env), { mustExist: true });
  return await verified(store, expected);
}

/** Who can rewrite the whole database can also make a chain that holds; a hash that was kept elsewhere tells. */
async function verified(store: Store, expected: ChainPlace | undefined): Promise<AuditVerdict> {
  const verdict = await store.verifyAudit();
  if (!verdict.ok || expected === undefined) return verdict;
  const { sequence, hash } = expected;
  const wrong = (reason: string): AuditVerdict => ({ ok: false, lines: verdict.lines, sequence, reason });
  if (sequence < verdict.removed)
    return wrong('the line was removed from the log by its settings; look for it in an export');
  const [next] = await store.auditChain(sequence + 1, 1);
  const found =
    sequence === verdict.newest ? verdict.head : next?.sequence === sequence + 1 ? next.previous : undefined;
  return found === hash ? verdict : wrong('the line is not the one that is expected');
}

function describeVerdict({ lines, newest, head, removed }: Extract<AuditVerdict, { ok: true }>): string {
  const before = removed === 0 ? '' : ` after ${removed} that were removed`;
  return `${lines} line(s)${before}, ${newest}:${head}`;
}

async function verifyFile(file: string): Promise<AuditVerdict> {
  let place: ChainPlace | undefined;
  let lines = 0;
  let first = 1;
  const reader = createInterface({ input: createReadStream(file, 'utf8'), crlfDelay: Number.POSITIVE_INFINITY });
  for await (const text of reader) {
    if (text.trim() === '') continue;
    const record = parseRecord(text);
    const next =
      record === undefined
        ? { sequence: (place?.sequence ?? 0) + 1, reason: 'the line is no line of an export' }
        : followRecord(place, record);
    if ('reason' in next) return { ok: false, lines, ...next };
    if (place === undefined) first = next.sequence;
    place = next;
    lines += 1;
  }
  if (place === undefined) return { ok: false, lines, sequence: 1, reason: 'the file has no lines' };
  return { ok: true, lines, newest: place.sequence, head: place.hash, removed: first - 1 };
}

function parseRecord(text: string): ChainedAuditRecord | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is ChainedAuditRecord {
  if (typeof value !== 'object' || value === null || !('actor' in value)) return false;
  const { sequence, hash, previous, action, outcome } = value as Record<string, unknown>;
  const texts = [hash, previous, action, outcome];
  const { actor } = value;
  return (
    Number.isSafeInteger(sequence) &&
    texts.every((one) => typeof one === 'string') &&
    typeof actor === 'object' &&
    actor !== null
  );
}

/** Resolves with the last line that was printed. */
async function exportLines(store: Store, from: number): Promise<ChainPlace | undefined> {
  let last: ChainPlace | undefined;
  for (let next = from; ;) {
    const lines = await store.auditChain(next, PAGE);
    const end = lines.at(-1);
    if (end === undefined) return last;
    await writeText(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    last = end;
    next = end.sequence + 1;
  }
}

async function prune(store: Store, limits: AuditLimits): Promise<number> {
  let lines = 0;
  for (;;) {
    const pruned = await store.pruneAudit(limits, operator());
    if (pruned === undefined) return lines;
    lines += pruned.lines;
  }
}

function limitsOf({ keepDays, keepLines, through }: PruneOptions): AuditLimits {
  if (keepDays === undefined && keepLines === undefined && through === undefined)
    throw new UsageError(['say which lines may go: --keep-days, --keep-lines or --through']);
  return {
    keepDays: keepDays === undefined ? undefined : positive('--keep-days', keepDays),
    keepLines: keepLines === undefined ? undefined : positive('--keep-lines', keepLines),
    through: through === undefined ? undefined : parseLine('--through', through),
  };
}

function positive(flag: string, text: string): number {
  if (!/^[1-9]\d{0,14}$/.test(text)) throw new UsageError([`invalid ${flag}: write a positive number`]);
  return Number(text);
}

function parseLine(flag: string, text: string): ChainPlace {
  const [, sequence = '', hash = ''] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text) ?? [];
  if (hash === '') throw new UsageError([`invalid ${flag}: write it as LINE:HASH, as audit verify prints it`]);
  return { sequence: Number(sequence), hash };
}
