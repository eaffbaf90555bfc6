/** SIGKILL while a process writes, 200 times on each store. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPostgres } from '../../scripts/setup/postgres.ts';
import { newKeyText } from '../../src/store/secrets/key-ring.ts';
import { crash, type CrashResult } from '../../test/store/crash.ts';
import { keepProof } from '../report/proof-page.ts';
import { REGISTRY_PROOFS } from './page.ts';

const KILLS = 200;

export async function proveCrashes(): Promise<void> {
  const results = [
    ['embedded store', await embedded()],
    ['PostgreSQL', await shared()],
  ] as const;
  await keepProof(REGISTRY_PROOFS, '3-crashes', {
    title: `${KILLS} times SIGKILL during writes`,
    how: 'A process registers, removes and denies; it is killed at a random moment, and what it had been told was done is compared with what is there: every change, every line of the audit log, the chain over them, and what the database says of itself (`integrity_check` and `foreign_key_check`; `bt_index_check` of every index).',
    rows: results.flatMap(([store, { kills, acknowledged, unanswered, auditLines, faults }]): [string, string][] => [
      [`${store}: kills`, String(kills)],
      [`${store}: acknowledged before a kill`, acknowledged.toLocaleString('en')],
      [`${store}: done and never answered, each of them whole`, String(unanswered)],
      [`${store}: lines of the audit log, all verified`, auditLines.toLocaleString('en')],
      [`${store}: lost or broken`, faults.length === 0 ? '0' : faults.join('; ')],
    ]),
  });
  if (results.some(([, { faults }]) => faults.length > 0)) process.exitCode = 1;
}

async function embedded(): Promise<CrashResult> {
  const dataDir = await mkdtemp(join(tmpdir(), 'gatehouse-crash-store-'));
  try {
    return await crash({ dataDir }, KILLS);
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function shared(): Promise<CrashResult> {
  await using server = await startPostgres();
  return await crash(
    { databaseUrl: server.url('postgres'), key: { text: newKeyText(), name: 'the key of this run' } },
    KILLS,
  );
}
