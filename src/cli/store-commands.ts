/** The commands that work on a store itself: `secrets rekey` and `audit verify`. */
import { userInfo } from 'node:os';
import type { Command } from 'commander';
import { openStore } from '../store/open-store.ts';
import { rekey } from '../store/secrets/rekey.ts';
import type { Actor, AuditVerdict, Store } from '../store/store.ts';
import { EXIT_FAILURE, EXIT_OK } from './exit-codes.ts';
import { writeDocument, writeText } from './stdout-document.ts';
import { storeOfCommand } from './store-location.ts';
import { UsageError } from './usage-error.ts';

export interface StoreOptions {
  readonly dataDir?: string;
  readonly secretKeyFile?: string;
}

interface VerifyOptions extends StoreOptions {
  readonly json?: true;
  readonly expect?: string;
}

export const STORE_EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  'secrets rekey': [
    'gatehouse secrets rekey --data-dir /var/lib/gatehouse',
    'DATABASE_URL=postgres://… gatehouse secrets rekey --secret-key-file /etc/gatehouse/secret.key',
  ],
  'audit verify': [
    'gatehouse audit verify --data-dir /var/lib/gatehouse',
    'gatehouse audit verify --expect 1102:5d46f3e3c09e242ea2059f83122d855d1869e34ac4a742b66f98459945eee03f',
  ],
};

export function addSecrets(program: Command, env: NodeJS.ProcessEnv, done: (status: number) => void): void {
  const secrets = program.command('secrets').description('keys of the secrets in the store');
  withStoreOptions(secrets.command('rekey'))
    .description('encrypt all secrets of the store with another key, while gateways go on serving')
    .action(async (options: StoreOptions) => {
      const location = storeOfCommand(options, env);
      const result = await rekey(location, { actor: operator(), action: 'secrets.rekey' });
      if (!result.done)
        throw new UsageError([
          `the store uses the first of the given keys already (${result.inUse}): put a new one in front of it, where every gateway of this store can read both, and run this again`,
        ]);
      await writeText(
        `The secrets of ${result.gateways} gateway(s) are encrypted with key ${result.to} now; key ${result.from} is needed only for backups made before.\n`,
      );
      done(EXIT_OK);
    });
}

export function addAudit(program: Command, env: NodeJS.ProcessEnv, done: (status: number) => void): void {
  const audit = program.command('audit').description('the audit log of the store');
  withStoreOptions(audit.command('verify'))
    .description('check that no line of the audit log was changed, added or taken away')
    .option(
      '--expect <line:hash>',
      'also check that this line has this hash, as an earlier verification has printed it',
    )
    .option('--json', 'print the result as JSON')
    .action(async (options: VerifyOptions) => {
      const expected = options.expect === undefined ? undefined : parseExpected(options.expect);
      await using store = await openStore(storeOfCommand(options, env), { mustExist: true });
      const verdict = await verified(store, expected);
      if (options.json === true) await writeDocument(verdict);
      else if (verdict.ok)
        await writeText(`The audit log is whole: ${verdict.lines} line(s), ${verdict.lines}:${verdict.head}\n`);
      else process.stderr.write(`error: audit log, line ${verdict.sequence}: ${verdict.reason}\n`);
      done(verdict.ok ? EXIT_OK : EXIT_FAILURE);
    });
}

export function withStoreOptions(command: Command): Command {
  return command
    .option(
      '--data-dir <directory>',
      'folder of the store (default: that of serve; env: MCP_GATEWAY_DATA_DIR, DATABASE_URL)',
    )
    .option(
      '--secret-key-file <file>',
      'its key, where that is not in the folder (env: MCP_GATEWAY_SECRET_KEY_FILE, MCP_GATEWAY_SECRET_KEY)',
    );
}

interface ExpectedLine {
  readonly sequence: number;
  readonly hash: string;
}

function parseExpected(text: string): ExpectedLine {
  const [, sequence = '', hash = ''] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text) ?? [];
  if (hash === '') throw new UsageError(['invalid --expect: write it as LINE:HASH, as audit verify prints it']);
  return { sequence: Number(sequence), hash };
}

/** Who can rewrite the whole database can also make a chain that holds; a hash that was kept elsewhere tells. */
async function verified(store: Store, expected: ExpectedLine | undefined): Promise<AuditVerdict> {
  const verdict = await store.verifyAudit();
  if (!verdict.ok || expected === undefined) return verdict;
  const { sequence, hash } = expected;
  const [line] = await store.audit({ before: sequence + 1, limit: 1 });
  if (line?.sequence === sequence && line.hash === hash) return verdict;
  return { ok: false, lines: verdict.lines, sequence, reason: 'the line is not the one that is expected' };
}

/** Whoever may read key and database is nobody that the gateway knows: the system's name for the account has to do. */
export function operator(): Actor {
  return { subject: `system:${userInfo().username}`, user: undefined, requestId: undefined, address: undefined };
}
