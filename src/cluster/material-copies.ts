/** Files with certificates and keys, read once by the owner for all processes: what they serve must be the same to the byte. */
import { MaterialError } from '../tls/material-error.ts';
import { type Files, readStable } from '../tls/read-stable.ts';

/** A file as it travels between processes. */
export interface CopiedFile {
  readonly path: string;
  /** undefined when it could not be read, for this reason. */
  readonly content: Uint8Array | undefined;
  readonly reason: string | undefined;
}

/** The owner's: reads, and keeps what was read last of each file. */
export class MaterialCopies {
  #latest: Files = new Map();

  /** For `Identities`. Rejects as `readStable` does. */
  readonly read = async (paths: Iterable<string>): Promise<Files> => {
    const files = await readStable(paths);
    this.#latest = new Map([...this.#latest, ...files]);
    return files;
  };

  /** Everything that was read so far, each file as it was read last. */
  get latest(): readonly CopiedFile[] {
    return [...this.#latest].map(([path, file]) =>
      Buffer.isBuffer(file)
        ? { path, content: file, reason: undefined }
        : { path, content: undefined, reason: file.reason },
    );
  }
}

/** A worker's: has what it was given, and reads only what it was not. */
export class GivenMaterial {
  #given: Files = new Map();

  give(files: readonly CopiedFile[]): void {
    this.#given = new Map(
      files.map(({ path, content, reason }) => [
        path,
        content === undefined ? new MaterialError(path, reason ?? 'the file cannot be read') : Buffer.from(content),
      ]),
    );
  }

  readonly read = async (paths: Iterable<string>): Promise<Files> => {
    const wanted = [...new Set(paths)];
    const missing = await readStable(wanted.filter((path) => !this.#given.has(path)));
    return new Map(
      wanted.flatMap((path) => {
        const file = this.#given.get(path) ?? missing.get(path);
        return file === undefined ? [] : [[path, file] as const];
      }),
    );
  };
}
