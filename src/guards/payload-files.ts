/** Keeps payload files: one private directory per session, removed when the session ends. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HEARTBEAT_MS, markRun, markSession, removeLeftovers, touchRun, unmarkRun } from './payload-runs.ts';

const PAYLOAD = 'payload.json';

/** More would let a slow disk take all of Node's four file-system threads, which name look-ups need too. */
const WRITES_AT_ONCE = 2;

/** What a file costs on disk at least, so that many small ones cannot use up the disk either. */
const BLOCK_BYTES = 4_096;

/** What this room needs of a logger; a pino logger is one. */
export interface PayloadLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface PayloadFilesOptions {
  readonly directory: string;
  /** Bytes of all files together; what would go beyond is refused. */
  readonly maxTotalBytes: number;
  readonly log: PayloadLog;
}

/** Older files go although their session lives: requests without a session share one that never ends. */
const MAX_AGE_MS = 24 * 60 * 60_000;

/** A session that has files. */
interface SessionFiles {
  readonly name: string;
  /** Settles when the directory is there. */
  readonly ready: Promise<void>;
  readonly writes: Set<Promise<unknown>>;
  bytes: number;
}

export class PayloadFiles implements AsyncDisposable {
  readonly #directory: string;
  readonly #maxTotalBytes: number;
  readonly #log: PayloadLog;
  readonly #runId = randomBytes(16).toString('hex');
  readonly #sessions = new Map<string, SessionFiles>();
  /** Sessions on their way out: their directory must be gone before another of the same key is made. */
  readonly #removals = new Map<string, Promise<void>>();
  readonly #waiting: (() => void)[] = [];
  #writing = 0;
  #totalBytes = 0;
  #prepared: Promise<void> | undefined;
  #heartbeat: NodeJS.Timeout | undefined;
  #closed = false;

  constructor({ directory, maxTotalBytes, log }: PayloadFilesOptions) {
    this.#directory = directory;
    this.#maxTotalBytes = maxTotalBytes;
    this.#log = log;
  }

  /** Makes the directory and clears what dead runs left in it. Rejects when the directory cannot be used; may be tried again. */
  prepare(): Promise<void> {
    this.#prepared ??= this.#makeDirectory().catch((error: unknown) => {
      this.#prepared = undefined;
      throw error;
    });
    return this.#prepared;
  }

  /**
   * Writes a file for a session, its text or its bytes, and returns its path below the directory, with `/` between the segments.
   * Rejects when the disk refuses or the limit is reached; nothing is left behind then.
   */
  async write(sessionKey: string, content: string | readonly Buffer[]): Promise<string> {
    const bytes = costOf(sizeOf(content));
    await this.prepare();
    if (this.#closed) throw new Error('the payload directory is closed');
    if (this.#totalBytes + bytes > this.#maxTotalBytes) {
      throw new Error(`the payload files of all sessions together may not exceed ${this.#maxTotalBytes} bytes`);
    }
    const session = this.#sessionOf(sessionKey);
    session.bytes += bytes;
    this.#totalBytes += bytes;
    const write = this.#whenFree(() => this.#writeFile(session, content));
    session.writes.add(write);
    try {
      return await write;
    } catch (error) {
      this.#release(session, bytes);
      throw error;
    } finally {
      session.writes.delete(write);
    }
  }

  /** Removes the files of a session, once its writes have ended. */
  forget(sessionKey: string): Promise<void> {
    const session = this.#sessions.get(sessionKey);
    if (session === undefined) return this.#removals.get(sessionKey) ?? Promise.resolve();
    this.#sessions.delete(sessionKey);
    const removal = this.#remove(session).finally(() => {
      if (this.#removals.get(sessionKey) === removal) this.#removals.delete(sessionKey);
    });
    this.#removals.set(sessionKey, removal);
    return removal;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    clearInterval(this.#heartbeat);
    // While it is being prepared there is no heartbeat yet, and a closed one begins none.
    await this.#prepared?.catch(() => undefined);
    const removals = [...this.#removals.values(), ...[...this.#sessions.keys()].map((key) => this.forget(key))];
    const failed = (await Promise.allSettled(removals)).find((removal) => removal.status === 'rejected');
    // Without its mark the run counts as ended, so the next start removes what could not be removed now.
    await unmarkRun(this.#directory, this.#runId);
    if (failed !== undefined) throw failed.reason;
  }

  async #makeDirectory(): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    await markRun(this.#directory, this.#runId);
    await this.#clearLeftovers();
    if (this.#closed) return;
    this.#heartbeat = setInterval(() => void this.#beat(), HEARTBEAT_MS);
    this.#heartbeat.unref();
  }

  async #beat(): Promise<void> {
    if (this.#closed) return;
    try {
      await touchRun(this.#directory, this.#runId);
    } catch (error) {
      this.#log.warn({ err: error, directory: this.#directory }, 'cannot mark the payload directory as in use');
    }
    await this.#clearLeftovers();
    for (const session of this.#sessions.values()) await this.#removeOld(session);
  }

  async #clearLeftovers(): Promise<void> {
    try {
      const removed = await removeLeftovers(this.#directory);
      if (removed > 0)
        this.#log.info(
          { directory: this.#directory, sessions: removed },
          'removed payload files that an earlier run left behind',
        );
    } catch (error) {
      this.#log.warn(
        { err: error, directory: this.#directory },
        'cannot remove payload files that an earlier run left behind',
      );
    }
  }

  async #removeOld(session: SessionFiles): Promise<void> {
    const path = join(this.#directory, session.name);
    const oldest = Date.now() - MAX_AGE_MS;
    for (const file of await readdir(path).catch(() => [])) {
      // What is still being written has no payload.json, and what the end of the session removes meanwhile has none left.
      const found = await stat(join(path, file, PAYLOAD)).catch(() => undefined);
      if (found === undefined || found.mtimeMs > oldest) continue;
      try {
        await rm(join(path, file), { recursive: true, force: true });
        this.#release(session, costOf(found.size));
      } catch (error) {
        this.#log.warn({ err: error, directory: path }, 'cannot remove an old payload file');
      }
    }
  }

  /** Gives room back; a session that was removed as a whole has none left to give. */
  #release(session: SessionFiles, bytes: number): void {
    const freed = Math.min(bytes, session.bytes);
    session.bytes -= freed;
    this.#totalBytes -= freed;
  }

  #sessionOf(key: string): SessionFiles {
    const known = this.#sessions.get(key);
    if (known !== undefined) return known;
    // A hash, because a session id in a path is a credential in every log and listing that shows the path; with the
    // id of the run, because two gateways may share the directory.
    const name = createHash('sha256').update(`${this.#runId}:${key}`).digest('hex');
    const session: SessionFiles = { name, ready: this.#makeSessionDirectory(key, name), writes: new Set(), bytes: 0 };
    this.#sessions.set(key, session);
    // The writes that wait for it report the failure; the next one tries again.
    session.ready.catch(() => {
      if (this.#sessions.get(key) === session) this.#sessions.delete(key);
    });
    return session;
  }

  async #makeSessionDirectory(key: string, name: string): Promise<void> {
    await this.#removals.get(key)?.catch(() => undefined);
    const path = join(this.#directory, name);
    await mkdir(path, { mode: 0o700 });
    try {
      await markSession(path, this.#runId);
    } catch (error) {
      await rm(path, { recursive: true, force: true }).catch(() => undefined);
      throw error;
    }
  }

  async #writeFile(session: SessionFiles, content: string | readonly Buffer[]): Promise<string> {
    await session.ready;
    const file = randomBytes(16).toString('hex');
    const directory = join(this.#directory, session.name, file);
    try {
      await mkdir(directory, { mode: 0o700 });
      await writeFile(join(directory, `${PAYLOAD}.partial`), content, { mode: 0o600, flag: 'wx' });
      await rename(join(directory, `${PAYLOAD}.partial`), join(directory, PAYLOAD));
    } catch (error) {
      await rm(directory, { recursive: true, force: true }).catch(() => undefined);
      throw error;
    }
    return `${session.name}/${file}/${PAYLOAD}`;
  }

  async #remove(session: SessionFiles): Promise<void> {
    await Promise.allSettled(session.writes);
    await rm(join(this.#directory, session.name), { recursive: true, force: true });
    this.#release(session, session.bytes);
  }

  async #whenFree<T>(write: () => Promise<T>): Promise<T> {
    if (this.#writing === WRITES_AT_ONCE) await new Promise<void>((resume) => this.#waiting.push(resume));
    else this.#writing++;
    try {
      return await write();
    } finally {
      // The place goes from hand to hand, so that nobody can slip in between.
      const next = this.#waiting.shift();
      if (next === undefined) this.#writing--;
      else next();
    }
  }
}

function sizeOf(content: string | readonly Buffer[]): number {
  return typeof content === 'string'
    ? Buffer.byteLength(content)
    : content.reduce((bytes, piece) => bytes + piece.length, 0);
}

function costOf(bytes: number): number {
  return Math.max(bytes, BLOCK_BYTES);
}
