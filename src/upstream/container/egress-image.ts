/** The image of the egress proxy: made on this machine from the running Node and two files of ours, because nothing is ever pulled. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { GatewayError } from '../../shared/errors.ts';
import { cannotRun, type Engine } from './engine-command.ts';
import { hasImage } from './engine.ts';

const NAME = 'localhost/gatehouse-egress';
const FOLDER = 'egress';
/** `.ts` in a checkout, `.js` in the package. */
const EXTENSION = extname(import.meta.filename);
const PROGRAM = ['egress-proxy', 'egress-rules'].map((name) => `${name}${EXTENSION}`);
const IMPORT_MS = 120_000;
const BLOCK = 512;

/** What the container runs. */
export const EGRESS_ENTRYPOINT = '/usr/bin/node';
export const EGRESS_PROGRAM = `/${FOLDER}/egress-proxy${EXTENSION}`;

const making = new WeakMap<Engine, Promise<string>>();

/** Name of the image, which is made when it is not there. Rejects with GatewayError `server_unavailable`. */
export function egressImage(engine: Engine): Promise<string> {
  const known = making.get(engine);
  if (known !== undefined) return known;
  const made = make(engine);
  making.set(engine, made);
  // The next server tries again.
  made.catch(() => making.delete(engine));
  return made;
}

interface Entry {
  readonly path: string;
  readonly content: Buffer | { readonly file: string };
}

async function make(engine: Engine): Promise<string> {
  if (process.platform !== 'linux')
    throw unavailable('the proxy is made from the Node that runs the gateway, which must be one for Linux');
  const program = await Promise.all(
    PROGRAM.map(async (name) => ({
      path: `${FOLDER}/${name}`,
      content: await readFile(new URL(name, import.meta.url)),
    })),
  );
  const libraries = sharedLibraries();
  const identity = createHash('sha256').update(
    JSON.stringify([process.version, process.arch, (await stat(process.execPath)).size, libraries]),
  );
  for (const { content } of program) identity.update(content);
  const image = `${NAME}:${identity.digest('hex').slice(0, 16)}`;
  if (await hasImage(engine, image)) return image;
  await importImage(engine, image, [
    ...program,
    { path: `${FOLDER}/package.json`, content: Buffer.from('{"type":"module"}') },
    { path: EGRESS_ENTRYPOINT.slice(1), content: { file: process.execPath } },
    ...libraries.map((file) => ({ path: file.slice(1), content: { file } })),
  ]);
  return image;
}

/** What the dynamic linker has loaded for this very process, itself among them. */
function sharedLibraries(): string[] {
  const report = process.report.getReport() as unknown as { readonly sharedObjects?: readonly string[] };
  return (report.sharedObjects ?? []).filter((path) => path.startsWith('/') && /\.so[.\d]*$/.test(basename(path)));
}

async function importImage(engine: Engine, image: string, entries: readonly Entry[]): Promise<void> {
  const child = spawn(engine.command, ['import', '-', image], {
    cwd: '/',
    env: engine.environment,
    stdio: ['pipe', 'ignore', 'pipe'],
    detached: true,
    timeout: IMPORT_MS,
    killSignal: 'SIGKILL',
  });
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint = (complaint + text).slice(-500)));
  child.stdin.on('error', () => undefined);
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', (error) => reject(cannotRun(engine, error)));
    child.once('close', resolve);
  });
  const status = await Promise.all([ended, send(child.stdin, entries)]).then(([code]) => code);
  if (status !== 0) throw unavailable(`${engine.kind} did not take its image: ${complaint.trim()}`);
}

async function send(stream: NodeJS.WritableStream, entries: readonly Entry[]): Promise<void> {
  for (const { path, content } of entries) {
    const bytes = Buffer.isBuffer(content) ? content : await readFile(content.file);
    stream.write(header(path, bytes.length));
    stream.write(bytes);
    stream.write(Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK));
  }
  stream.end(Buffer.alloc(2 * BLOCK));
}

/** One header of the ustar format (POSIX.1-1988): a plain file of root's that everybody may read and run. */
function header(path: string, size: number): Buffer {
  if (Buffer.byteLength(path) > 100) throw unavailable(`the path "${path}" is too long`);
  const block = Buffer.alloc(BLOCK);
  block.write(path, 0);
  block.write('0000755\0', 100);
  block.write('0000000\0', 108);
  block.write('0000000\0', 116);
  block.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  block.write('00000000000\0', 136);
  block.write('        ', 148);
  block.write('0', 156);
  block.write('ustar\u000000', 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

function unavailable(why: string): GatewayError {
  const message = `The egress proxy for "network.allow" cannot be made: ${why}.`;
  return new GatewayError('server_unavailable', message, { detail: message });
}
