/** Where the bench keeps what it builds, downloads and writes. */
import { fileURLToPath } from 'node:url';

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export const PATHS = {
  root: at('../../'),
  /** Out of git: programs, packages, profiles, and a folder for each run. */
  cache: at('../.cache'),
  native: at('../native'),
  peers: at('../peers'),
  results: at('../results'),
  readme: at('../README.md'),
} as const;

/** The text as it may be published: without the folders of this machine. */
export function withoutPaths(text: string): string {
  return text.replaceAll(PATHS.root, '').replaceAll(/\/tmp\/[\w./-]+/g, 'a temporary file');
}

/** What an error says, with its cause: `fetch failed` alone says nothing. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message} (${messageOf(error.cause)})`;
}
