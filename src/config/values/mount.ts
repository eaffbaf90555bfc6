/** Mounts as they are written: `source:target:mode`, and the `--mount type=bind,…` form of the engines. */
import { posix } from 'node:path';
import type { Mount } from '../config.ts';

export type ParsedMount =
  | { readonly ok: true; readonly mount: Mount }
  | { readonly ok: false; readonly message: string; readonly suggestion: string };

const EXAMPLE = 'Write "source:target:mode", for example "/srv/data:/data:ro".';

/**
 * Reads `source:target:mode`. Where `mode` may be left out it means `rw`, as the engines have it.
 * `shown` is how the text may be quoted.
 */
export function parseMount(text: string, shown: string, modeOptional = false): ParsedMount {
  const parts = text.split(':');
  const [source = '', target = '', mode] = parts;
  if (parts.length > 3 || parts.length < (modeOptional ? 2 : 3) || source === '' || target === '') {
    return refuse(`invalid mount format ${shown} (expected 'source:target:mode')`, EXAMPLE);
  }
  return finish(source, target, mode ?? 'rw', shown);
}

/** Reads the value of `--mount`. Only plain binds: volume drivers and propagation can reach any place of the host. */
export function parseBindMount(text: string, shown: string): ParsedMount {
  const instead = 'Write "--mount type=bind,source=/srv/data,target=/data,readonly", or use the field for mounts.';
  const found = new Map<string, string>();
  for (const part of text.split(',')) {
    const equals = part.indexOf('=');
    const name = equals === -1 ? part : part.slice(0, equals);
    const known = MOUNT_KEYS[name];
    if (known === undefined)
      return refuse(
        `the mount ${shown} has an option that is not accepted: only type=bind, source, target and readonly are`,
        instead,
      );
    if (found.has(known)) return refuse(`the mount ${shown} gives '${known}' twice`, instead);
    found.set(known, equals === -1 ? '' : part.slice(equals + 1));
  }
  if (found.get('type') !== 'bind') return refuse(`the mount ${shown} is not of type bind`, instead);
  const readonly = found.get('readonly');
  if (readonly !== undefined && !['', 'true', '1', 'false', '0'].includes(readonly))
    return refuse(`the mount ${shown} has a 'readonly' that is neither true nor false`, instead);
  const isReadOnly = readonly !== undefined && readonly !== 'false' && readonly !== '0';
  return finish(found.get('source') ?? '', found.get('target') ?? '', isReadOnly ? 'ro' : 'rw', shown);
}

const MOUNT_KEYS: Readonly<Record<string, string>> = Object.assign(Object.create(null), {
  type: 'type',
  source: 'source',
  src: 'source',
  target: 'target',
  destination: 'target',
  dst: 'target',
  readonly: 'readonly',
  ro: 'readonly',
});

function finish(source: string, target: string, mode: string, shown: string): ParsedMount {
  if (mode !== 'ro' && mode !== 'rw')
    return refuse(
      `invalid mount mode in ${shown} (must be 'ro' or 'rw')`,
      'End the mount with ":ro" for reading or ":rw" for reading and writing; no other option is accepted.',
    );
  if (!posix.isAbsolute(source))
    return refuse(
      `mount source must be an absolute path, got ${shown}`,
      'Start the part before the first colon with "/"; "~", relative paths and named volumes are not accepted.',
    );
  if (!posix.isAbsolute(target))
    return refuse(
      `mount target must be an absolute path, got ${shown}`,
      'Start the part after the first colon with "/".',
    );
  if (/[\p{Cc}:]/u.test(source + target))
    return refuse(`the mount ${shown} holds a colon or control character in a path`, EXAMPLE);
  const inside = trimSlash(posix.normalize(target));
  if (inside === '/')
    return refuse(
      `the mount ${shown} would cover the whole file system of the container`,
      'Mount to a directory below "/", for example "/data".',
    );
  return { ok: true, mount: { source: trimSlash(posix.normalize(source)), target: inside, mode } };
}

function trimSlash(path: string): string {
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
}

function refuse(message: string, suggestion: string): ParsedMount {
  return { ok: false, message, suggestion };
}
