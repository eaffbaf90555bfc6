/** Where the bench keeps what it builds, downloads and writes. */
import { fileURLToPath } from 'node:url';

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export const PATHS = {
  /** Out of git: programs, packages, profiles, logs. */
  cache: at('.cache'),
  native: at('native'),
  peers: at('peers'),
  results: at('results'),
  readme: at('README.md'),
  gatehouse: at('../src/main.ts'),
} as const;
