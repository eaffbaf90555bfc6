/** Where a certificate, key or list comes from: a file, or the PEM text itself. */
import { MaterialError } from './material-error.ts';
import type { Files } from './read-stable.ts';

/** True for PEM text, false for a path. */
export function isInline(value: string): boolean {
  return value.includes('-----BEGIN');
}

/** The paths among the given values. */
export function pathsIn(values: readonly (string | undefined)[]): readonly string[] {
  return values.filter((value) => value !== undefined).filter((value) => !isInline(value));
}

/** The content behind a value, for content keys: bytes of the file, the PEM text, or what is wrong with the file. */
export function contentOf(value: string | undefined, files: Files): Uint8Array | string | undefined {
  if (value === undefined || isInline(value)) return value;
  const content = files.get(value);
  return content instanceof MaterialError ? content.message : content;
}

/** One piece of material with the name that errors call it by. */
export interface Material {
  /** Path, or the name of the field for PEM text. */
  readonly where: string;
  readonly bytes: Buffer;
}

/** Throws a MaterialError when the file could not be read or is empty. */
export function material(value: string, field: string, files: Files): Material {
  if (isInline(value)) return { where: field, bytes: Buffer.from(value) };
  const content = files.get(value);
  if (content === undefined) throw new MaterialError(value, 'the file was not read');
  if (content instanceof MaterialError) throw content;
  if (content.length === 0) throw new MaterialError(value, 'the file is empty');
  return { where: value, bytes: content };
}
