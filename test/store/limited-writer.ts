/**
 * `node limited-writer.ts FOLDER`: writes to a store while the system lets no file of this process grow, so that writing
 * fails as on a broken disk, and again when it may. Prints what the store has said, as JSON.
 */
import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { openStore } from '../../src/store/open-store.ts';
import { register } from './samples.ts';

const [, , dataDir = ''] = process.argv;

/** Files of this process may have so many bytes. The limit is a soft one, which every process may move. */
function limitFiles(bytes: number | 'unlimited'): void {
  execFileSync('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}:`]);
}

// Instead of EFBIG the system would end the process.
process.on('SIGXFSZ', () => undefined);
await using store = await openStore({ dataDir });
const state = async (): Promise<object> => {
  const { reachable, writable } = store.status();
  return { reachable, writable, names: (await store.gateways()).map(({ name }) => name) };
};
await register(store, 'before');
limitFiles(statSync(join(dataDir, 'gatehouse.db-wal')).size);
const failure: unknown = await register(store, 'refused').catch((error: unknown) => error);
const { lastError } = store.status();
const during = { ...(await state()), reason: lastError?.reason };
limitFiles('unlimited');
await register(store, 'after');
const after = await state();
const { ok: verified } = await store.verifyAudit();
const { code, message } = failure as { readonly code?: string; readonly message?: string };
process.stdout.write(JSON.stringify({ code, message, during, after, verified }));
