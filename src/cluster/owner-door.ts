/** Where the owner takes connections that workers pass on: a Unix socket that only our own processes can find and open. */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { createServer, connect, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { carryCertificate, type ClientCertificate } from '../tls/client-certificate.ts';
import type { Door } from './messages.ts';

/** The first line on a connection: who is at the other end of it, as the worker has seen. */
export interface Introduction {
  /** That of the Door. */
  readonly key: string;
  readonly address: string | undefined;
  readonly port: number | undefined;
  /** As it was verified in the handshake. */
  readonly certificate: ClientCertificate | undefined;
}

const PREFIX = 'gatehouse-workers-';
const SOCKET = 'owner.sock';
const KEY_BYTES = 32;
/** Certificates have many names. */
const MAX_INTRODUCTION_BYTES = 64 * 1024;
const INTRODUCTION_TIMEOUT_MS = 5_000;
const BACKLOG = 4_096;

export class OwnerDoor implements AsyncDisposable {
  readonly door: Door;
  readonly #directory: string;
  readonly #server: Server;
  readonly #log: Logger;
  readonly #waiting = new Set<Socket>();
  /** Takes a connection from the first byte of the client on. */
  #take: (socket: Socket) => void = (socket) => void socket.destroy();

  private constructor(directory: string, log: Logger) {
    this.#directory = directory;
    this.#log = log;
    this.door = { path: join(directory, SOCKET), key: randomBytes(KEY_BYTES).toString('base64url') };
    // A client may end its half of a connection and still read: what is passed on must be able to do so, too.
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#hear(socket));
  }

  static async open(log: Logger): Promise<OwnerDoor> {
    await removeAbandoned();
    // Nobody else may look into a directory that `mkdtemp` makes.
    const made = new OwnerDoor(await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`)), log);
    await new Promise<void>((resolve, reject) => {
      made.#server.once('error', reject);
      made.#server.listen({ path: made.door.path, backlog: BACKLOG }, resolve);
    });
    return made;
  }

  /** From now on connections are taken by this. */
  serve(take: (socket: Socket) => void): void {
    this.#take = take;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#waiting) socket.destroy();
    // Those that were taken belong to the listener, which ends them.
    this.#server.close();
    await rm(this.#directory, { recursive: true, force: true });
  }

  #hear(socket: Socket): void {
    let heard: Buffer = Buffer.alloc(0);
    const giveUp = (): void => void socket.destroy();
    const timer = setTimeout(giveUp, INTRODUCTION_TIMEOUT_MS);
    this.#waiting.add(socket);
    const stopHearing = (): void => {
      clearTimeout(timer);
      this.#waiting.delete(socket);
      socket.off('data', onData).off('error', giveUp).off('end', giveUp).off('close', stopHearing);
    };
    const onData = (chunk: Buffer): void => {
      heard = heard.length === 0 ? chunk : Buffer.concat([heard, chunk]);
      const end = heard.indexOf('\n');
      if (end === -1) {
        if (heard.length > MAX_INTRODUCTION_BYTES) giveUp();
        return;
      }
      stopHearing();
      const introduction = this.#read(heard.toString('utf8', 0, end));
      if (introduction === undefined) return giveUp();
      become(socket, introduction);
      socket.pause();
      if (heard.length > end + 1) socket.unshift(heard.subarray(end + 1));
      this.#take(socket);
      socket.resume();
    };
    socket.on('data', onData).on('error', giveUp).on('end', giveUp).on('close', stopHearing);
  }

  /** undefined for whoever is none of ours. */
  #read(line: string): Introduction | undefined {
    try {
      const introduction = JSON.parse(line) as Introduction;
      const [shown, own] = [Buffer.from(introduction.key), Buffer.from(this.door.key)];
      if (shown.length === own.length && timingSafeEqual(shown, own)) return introduction;
    } catch {
      // Said below.
    }
    this.#log.warn('refused a connection to the socket of the workers: it is none of ours');
    return undefined;
  }
}

/** The first line that a worker sends, as bytes. */
export function introductionLine(introduction: Introduction): string {
  return `${JSON.stringify(introduction)}\n`;
}

/** What asks the socket for its peer hears of the client, and not of the worker in between. */
function become(socket: Socket, { address, port, certificate }: Introduction): void {
  Object.defineProperties(socket, { remoteAddress: { value: address }, remotePort: { value: port } });
  if (certificate !== undefined) carryCertificate(socket, certificate);
}

/** A gateway that was killed together with its workers leaves its directory: it goes when nobody listens there any more. */
async function removeAbandoned(): Promise<void> {
  const names = await readdir(tmpdir()).catch(() => []);
  const ours = names.filter((name) => name.startsWith(PREFIX)).map((name) => join(tmpdir(), name));
  await Promise.all(
    ours.map(async (directory) => {
      const found = await stat(join(directory, SOCKET)).catch(() => undefined);
      if (found?.isSocket() !== true || found.uid !== process.getuid?.()) return;
      if (await isHeard(join(directory, SOCKET))) return;
      await rm(directory, { recursive: true, force: true }).catch(() => undefined);
    }),
  );
}

async function isHeard(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    // Anything else, such as a queue that is full, may be one that lives.
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ECONNREFUSED'));
  });
}
