/** What the embedded store does when writing fails, and with what a crash leaves of its write-ahead log. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, open, rm, stat, truncate } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { openStore } from '../../src/store/open-store.ts';
import type { SqlStore } from '../../src/store/sql-store.ts';
import { openTemporaryStore } from '../rig/store.ts';
import { changed, register, sampleGateway } from './samples.ts';

const LIMITED = fileURLToPath(new URL('./limited-writer.ts', import.meta.url));
const FRAME_HEADER_BYTES = 24;

describe('a disk that refuses writes', () => {
  it.skipIf(process.platform !== 'linux')(
    'is said in clear words, and is written to again when it takes them, with nothing lost',
    async () => {
      const dataDir = await mkdtemp(join(tmpdir(), 'gatehouse-failing-'));
      try {
        const writer = spawn(process.execPath, [LIMITED, dataDir], { stdio: ['ignore', 'pipe', 'inherit'] });
        const chunks: string[] = [];
        writer.stdout.setEncoding('utf8').on('data', (text: string) => chunks.push(text));
        expect(await once(writer, 'close')).toEqual([0, null]);
        expect(JSON.parse(chunks.join(''))).toEqual({
          code: 'unavailable',
          message: expect.stringMatching(
            /^The disk of the store does not take what is written.*Nothing was changed\.$/,
          ),
          during: {
            reachable: true,
            writable: false,
            names: ['before'],
            reason: expect.stringMatching(/^SQLite \d+$/),
          },
          after: { reachable: true, writable: true, names: ['before', 'after'] },
          verified: true,
        });
      } finally {
        await rm(dataDir, { recursive: true, force: true });
      }
    },
  );

  it('is one that is damaged when its pages are, and the message says what to do', async () => {
    await using temporary = await openTemporaryStore();
    await register(temporary.store, 'weather');
    const copy = await copied(temporary.dataDir, 'whole');
    try {
      const file = await open(join(copy, 'gatehouse.db'), 'r+');
      await file.write(Buffer.alloc(4_096, 0xab), 0, 4_096, 0);
      await file.close();
      await rm(join(copy, 'gatehouse.db-wal'), { force: true });
      await expect(openStore({ dataDir: copy })).rejects.toThrow(/database of the store is damaged.*restore a backup/);
    } finally {
      await rm(copy, { recursive: true, force: true });
    }
  });
});

describe('the write-ahead log that a crash leaves', () => {
  it('gives back every change that was acknowledged, whole, wherever a later one was torn', async () => {
    await using temporary = await openTemporaryStore();
    const { store, dataDir } = temporary;
    await register(store, 'one');
    await register(store, 'two');
    const acknowledged = await logSize(dataDir);
    await changed(store, async (tx) => tx.insertGateway(sampleGateway('torn', { description: 'x'.repeat(20_000) })));
    const end = await logSize(dataDir);
    const pageBytes = pageSize(dataDir);
    const frames = (end - acknowledged) / (FRAME_HEADER_BYTES + pageBytes);
    expect(frames).toBeGreaterThan(3);
    // Inside of a header, inside of a page, between two frames, one byte short, and not at all.
    const cuts = [acknowledged + 10, acknowledged + 1_000, end - FRAME_HEADER_BYTES - pageBytes, end - 1, end];
    for (const cut of cuts) {
      const copy = await copied(dataDir, `cut-${cut}`);
      try {
        await truncate(join(copy, 'gatehouse.db-wal'), cut);
        await using again = await openStore({ dataDir: copy });
        expect(await namesIn(again)).toEqual(cut === end ? ['one', 'two', 'torn'] : ['one', 'two']);
        expect(await again.verifyAudit()).toMatchObject({ ok: true, lines: cut === end ? 3 : 2 });
        await register(again, 'after');
        expect(integrityOf(copy)).toBe('ok');
      } finally {
        await rm(copy, { recursive: true, force: true });
      }
    }
  });

  it('with rubbish behind its end is read up to there', async () => {
    await using temporary = await openTemporaryStore();
    const { store, dataDir } = temporary;
    await register(store, 'one');
    const copy = await copied(dataDir, 'rubbish');
    try {
      const log = await open(join(copy, 'gatehouse.db-wal'), 'a');
      await log.write(crypto.getRandomValues(new Uint8Array(10_000)));
      await log.close();
      await using again = await openStore({ dataDir: copy });
      expect(await namesIn(again)).toEqual(['one']);
      expect(await again.verifyAudit()).toMatchObject({ ok: true, lines: 1 });
      expect(integrityOf(copy)).toBe('ok');
    } finally {
      await rm(copy, { recursive: true, force: true });
    }
  });

  it('does not stay as large as the largest change has made it', async () => {
    await using temporary = await openTemporaryStore();
    const { store, dataDir } = temporary;
    const big = 'x'.repeat(30 * 1_048_576);
    const { id } = await changed(store, async (tx) => tx.insertGateway(sampleGateway('big', { description: big })));
    expect(await logSize(dataDir)).toBeGreaterThan(big.length);
    await changed(store, async (tx) => tx.updateGateway(id, undefined, { description: 'small' }));
    for (let count = 0; count < 20 && (await logSize(dataDir)) > 17 * 1_048_576; count += 1)
      await register(store, `server-${count}`);
    expect(await logSize(dataDir)).toBeLessThanOrEqual(17 * 1_048_576);
  });
});

/** As a crash at this moment would leave it: the process has done nothing about its end. */
async function copied(dataDir: string, name: string): Promise<string> {
  const copy = await mkdtemp(join(tmpdir(), `gatehouse-${name}-`));
  for (const file of ['gatehouse.db', 'gatehouse.db-wal', 'secret.key'])
    await copyFile(join(dataDir, file), join(copy, file));
  return copy;
}

async function logSize(dataDir: string): Promise<number> {
  return (await stat(join(dataDir, 'gatehouse.db-wal'))).size;
}

function pageSize(dataDir: string): number {
  using database = new DatabaseSync(join(dataDir, 'gatehouse.db'), { readOnly: true });
  return Number(database.prepare('pragma page_size').get()?.['page_size']);
}

function integrityOf(dataDir: string): unknown {
  using database = new DatabaseSync(join(dataDir, 'gatehouse.db'));
  return database.prepare('pragma integrity_check').get()?.['integrity_check'];
}

async function namesIn(store: SqlStore): Promise<readonly string[]> {
  return (await store.gateways()).map(({ name }) => name);
}
