/** Names of tools and prompts on the unified endpoint: prefixed, at most 64 characters, the same on every run. */
import { createHash } from 'node:crypto';

/** Stands between the name of the server and the name of the tool. */
export const SEPARATOR = '___';

/** Clients refuse longer tool names (the limit of the model APIs behind them). */
export const MAX_NAME_LENGTH = 64;

const HASH_LENGTH = 8;
const ALLOWED = /^[A-Za-z0-9_.-]+$/;

/**
 * The name under which the unified endpoint shows a tool or prompt of a server: `server___tool`. A name that would be
 * too long, hold characters that clients refuse, or could be split in two ways, is shortened or cleaned and ends in a
 * hash of the two originals.
 */
export function unifiedName(server: string, name: string): string {
  const plain = `${server}${SEPARATOR}${name}`;
  const unambiguous = plain.indexOf(SEPARATOR) === server.length && plain.lastIndexOf(SEPARATOR) === server.length;
  if (plain.length <= MAX_NAME_LENGTH && ALLOWED.test(plain) && unambiguous) return plain;
  const hash = createHash('sha256').update(`${server}\0${name}`).digest('hex').slice(0, HASH_LENGTH);
  const clean = plain.replaceAll(/[^A-Za-z0-9_.-]/g, '_');
  return `${clean.slice(0, MAX_NAME_LENGTH - HASH_LENGTH - 1)}_${hash}`;
}

/**
 * Servers that may own a unified name, likeliest first: the name alone does not tell where the server's part ends when
 * names hold the separator, and a shortened name tells even less, so the owner is then found by its listing.
 */
export function possibleOwners(unified: string, servers: readonly string[]): string[] {
  const byPrefix = servers.filter((server) => unified.startsWith(`${server}${SEPARATOR}`));
  const others = servers.filter((server) => !byPrefix.includes(server) && mayShorten(unified, server));
  return [...byPrefix.toSorted((a, b) => b.length - a.length), ...others];
}

function mayShorten(unified: string, server: string): boolean {
  const clean = `${server}${SEPARATOR}`.replaceAll(/[^A-Za-z0-9_.-]/g, '_');
  const kept = clean.slice(0, MAX_NAME_LENGTH - HASH_LENGTH - 1);
  return unified.startsWith(kept) && /_[0-9a-f]{8}$/.test(unified);
}
