/** Which store a command works on, and where its key comes from: flags first, then the environment. */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import type { GivenKey, StoreLocation } from '../store/open-store.ts';
import { UsageError } from './usage-error.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export interface StoreFlags {
  /** `--data-dir` or its variable. */
  readonly dataDir: string | undefined;
  /** `--secret-key-file` or its variable. */
  readonly secretKeyFile: string | undefined;
}

const DATABASE_URL = 'DATABASE_URL';
const DATA_DIR = 'MCP_GATEWAY_DATA_DIR';
const SECRET_KEY = 'MCP_GATEWAY_SECRET_KEY';
const SECRET_KEY_FILE = 'MCP_GATEWAY_SECRET_KEY_FILE';

/**
 * `fallbackDir`: the data directory when neither flags nor environment name a store; without it there is none then.
 * `problem` is told what is wrong with what they say.
 */
export function findStore(
  flags: StoreFlags,
  env: Environment,
  problem: (sentence: string) => void,
  fallbackDir?: string,
): StoreLocation | undefined {
  const key = givenKey(flags, env, problem);
  const databaseUrl = valueOf(env, DATABASE_URL);
  if (databaseUrl === undefined) {
    const dataDir = flags.dataDir ?? fallbackDir;
    return dataDir === undefined ? undefined : { dataDir: resolve(dataDir), key };
  }
  if (flags.dataDir !== undefined)
    problem(`--data-dir (or ${DATA_DIR}) and ${DATABASE_URL} both name a store: leave one of them out`);
  if (key !== undefined) return { databaseUrl, key };
  problem(
    `with ${DATABASE_URL} the key for secrets must be given: ${SECRET_KEY} or --secret-key-file; make one with 'openssl rand -base64 32'`,
  );
  return undefined;
}

/** Where the embedded store is when nothing else is said. */
export function defaultDataDir(env: Environment): string {
  return join(valueOf(env, 'XDG_DATA_HOME') ?? join(homedir(), '.local/share'), 'gatehouse');
}

/** For commands other than `serve`: the store that they are told, else the one that `serve` uses by itself. Throws a UsageError. */
export function storeOfCommand(given: Partial<StoreFlags>, env: Environment): StoreLocation {
  const flags: StoreFlags = {
    dataDir: given.dataDir ?? valueOf(env, DATA_DIR),
    secretKeyFile: given.secretKeyFile ?? valueOf(env, SECRET_KEY_FILE),
  };
  const problems: string[] = [];
  const location = findStore(flags, env, (sentence) => void problems.push(sentence), defaultDataDir(env));
  if (location === undefined || problems.length > 0) throw new UsageError(problems);
  return location;
}

/** The key that is given for a store; undefined = the one in the data directory. */
export function givenKey(
  { secretKeyFile: file }: Pick<StoreFlags, 'secretKeyFile'>,
  env: Environment,
  problem: (sentence: string) => void,
): GivenKey | undefined {
  const text = valueOf(env, SECRET_KEY);
  if (text === undefined) return file === undefined ? undefined : { file };
  if (file !== undefined) problem(`--secret-key-file and ${SECRET_KEY} exclude each other`);
  return { text, name: SECRET_KEY };
}

function valueOf(env: Environment, name: string): string | undefined {
  const value = env[name]?.trim();
  return value === '' ? undefined : value;
}
