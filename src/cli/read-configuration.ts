/** Reads the text of a configuration: from a file or from stdin. */
import { readFile, stat } from 'node:fs/promises';
import { addAbortSignal, type Readable } from 'node:stream';
import type { Diagnostic } from '../config/config.ts';
import type { ConfigSource } from '../config/load.ts';

/** How stdin is called where the name of a file would stand. */
export const STDIN = '<stdin>';

/** The text could not be read at all. */
export class UnreadableConfiguration extends Error {
  override readonly name = 'UnreadableConfiguration';
  readonly source: string;
  readonly diagnostic: Diagnostic;

  constructor(source: string, cause: unknown, suggestion: string) {
    const message = `the configuration cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`;
    super(message, { cause });
    this.source = source;
    this.diagnostic = { severity: 'error', path: '', message, suggestion };
  }
}

/** Far more than a configuration needs; what is larger is the wrong file. */
const MAX_BYTES = 16 * 1024 * 1024;

/** Reads a file: JSON when its name ends in `.json`, else TOML. Rejects with UnreadableConfiguration. */
export async function readConfigurationFile(path: string): Promise<ConfigSource> {
  try {
    const { size } = await stat(path);
    if (size > MAX_BYTES) throw tooLarge();
    return {
      kind: path.toLowerCase().endsWith('.json') ? 'json' : 'toml',
      name: path,
      text: decode(await readFile(path)),
    };
  } catch (error) {
    throw new UnreadableConfiguration(path, error, 'Give the path of a TOML or JSON file that this user may read.');
  }
}

/** Reads JSON to the end of the stream, or until `signal` gives up. Rejects with UnreadableConfiguration. */
export async function readConfigurationStream(stream: Readable, signal?: AbortSignal): Promise<ConfigSource> {
  const pieces: Buffer[] = [];
  let size = 0;
  try {
    for await (const piece of signal === undefined ? stream : addAbortSignal(signal, stream)) {
      const bytes: Buffer = Buffer.from(piece as Uint8Array);
      size += bytes.length;
      if (size > MAX_BYTES) throw tooLarge();
      pieces.push(bytes);
    }
    return { kind: 'json', name: STDIN, text: decode(Buffer.concat(pieces)) };
  } catch (error) {
    throw new UnreadableConfiguration(STDIN, error, 'Write the JSON configuration to stdin and close it.');
  }
}

function tooLarge(): Error {
  return new Error(`it is larger than ${MAX_BYTES / 1024 / 1024} MiB`);
}

function decode(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new Error('it is not UTF-8 text');
  }
}
