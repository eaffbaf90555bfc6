/** What the flags of one call of `serve` say: the flag itself first, then its environment variable, each checked, all problems at once. */
import { availableParallelism } from 'node:os';
import { parseDuration } from '../../config/values/duration.ts';
import type { GivenKey, StoreLocation } from '../../store/open-store.ts';
import { LOG_LEVELS } from '../../telemetry/log.ts';
import { defaultDataDir, findStore, givenKey } from '../store-location.ts';
import { UsageError } from '../usage-error.ts';
import { type Flag, type FlagKey, isSwitch, longName, SERVE_FLAGS } from './flags.ts';
import { parseListenAddress, type ListenAddress } from './listen-address.ts';

type Environment = Readonly<Record<string, string | undefined>>;
/** What commander found on the command line, by key. */
export type Given = Readonly<Record<string, unknown>>;

export interface ServeOptions {
  /** `defaults`: no configuration was named, and everything else comes from the store. */
  readonly source:
    | { readonly from: 'stdin' }
    | { readonly from: 'file'; readonly path: string }
    | { readonly from: 'defaults' };
  /** undefined = as the configuration says. */
  readonly store: StoreLocation | undefined;
  /** For a store that the configuration names; undefined = the key in its folder. */
  readonly storeKey: GivenKey | undefined;
  /** Reload when the content of the configuration file or of a certificate changes. */
  readonly watch: boolean;
  readonly fastPath: boolean;
  /** Processes that serve the port. */
  readonly workers: number;
  readonly validateEnv: boolean;
  readonly listen: ListenAddress | undefined;
  readonly tls: { readonly cert: string; readonly key: string; readonly ca: string | undefined } | undefined;
  readonly hmacSecret: string | undefined;
  readonly mode: 'routed' | 'unified' | undefined;
  readonly startup: 'strict' | 'resilient' | undefined;
  readonly sequentialLaunch: boolean;
  readonly shutdownTimeoutMs: number | undefined;
  readonly logLevel: string;
  readonly logFormat: 'json' | 'pretty' | undefined;
  readonly logDir: string | undefined;
  readonly payloadDir: string | undefined;
  readonly payloadPathPrefix: string | undefined;
  readonly payloadSizeThreshold: number | undefined;
  readonly auditKeepDays: number | undefined;
  readonly auditKeepLines: number | undefined;
}

const MAX_WORKERS = 64;
/** Where Node can share a port and the kernel spreads connections over those who listen on it. */
const SHARED_PORTS: ReadonlySet<string> = new Set(['linux', 'freebsd']);
/** The longest timer that Node can hold, in milliseconds. */
const MAX_TIMER_MS = 2_147_483_647;
const GUARDS_MODES = ['strict', 'filter', 'propagate'];

/** Throws a UsageError that holds every problem. */
export function readServeOptions(given: Given, env: Environment): ServeOptions {
  const values = new FlagValues(given, env);
  values.refuseUnbuilt();
  const routed = values.on('routed');
  const unified = values.on('unified');
  if (routed && unified) {
    values.problem(
      'if any flags in the group [routed unified] are set none of the others can be; [routed unified] were all set',
    );
  }
  const config = values.text('config');
  const source: ServeOptions['source'] = values.on('configStdin')
    ? { from: 'stdin' }
    : config === undefined
      ? { from: 'defaults' }
      : { from: 'file', path: config };
  const verbosity = values.count('verbose');
  const options: ServeOptions = {
    source,
    ...storeOf(values, source, env),
    watch: values.oneOf('watch', ['on', 'off']) !== 'off',
    fastPath: values.oneOf('fastPath', ['on', 'off']) !== 'off',
    workers: workersOf(values),
    validateEnv: values.on('validateEnv'),
    auditKeepDays: values.parsed('auditKeepDays', positiveInteger, 'a positive number of days'),
    auditKeepLines: values.parsed('auditKeepLines', positiveInteger, 'a positive number of lines'),
    listen: values.parsed('listen', parseListenAddress, 'an address such as 127.0.0.1:3000, [::1]:3000 or :3000'),
    tls: tlsOf(values),
    hmacSecret: values.text('hmacSecret'),
    mode: routed ? 'routed' : unified ? 'unified' : undefined,
    startup: values.oneOf('startup', ['strict', 'resilient']),
    sequentialLaunch: values.on('sequentialLaunch'),
    shutdownTimeoutMs: values.parsed(
      'shutdownTimeout',
      shutdownTimeout,
      'a duration such as 5s or 1m30s, at most 596h',
    ),
    logLevel: values.oneOf('logLevel', LOG_LEVELS) ?? levelFor(verbosity),
    logFormat: values.oneOf('logFormat', ['json', 'pretty']),
    logDir: values.text('logDir'),
    payloadDir: values.text('payloadDir'),
    payloadPathPrefix: values.text('payloadPathPrefix'),
    payloadSizeThreshold: values.parsed('payloadSizeThreshold', positiveInteger, 'a positive number of bytes'),
  };
  values.throwProblems();
  return options;
}

function storeOf(
  values: FlagValues,
  source: ServeOptions['source'],
  env: Environment,
): Pick<ServeOptions, 'store' | 'storeKey'> {
  const flags = { dataDir: values.text('dataDir'), secretKeyFile: values.text('secretKeyFile') };
  const fallback = source.from === 'defaults' ? defaultDataDir(env) : undefined;
  return {
    store: findStore(flags, env, (sentence) => values.problem(sentence), fallback),
    storeKey: givenKey(flags, env, () => undefined),
  };
}

function workersOf(values: FlagValues): number {
  const parse = (text: string): number | undefined => {
    const count = text === 'auto' ? Math.min(availableParallelism(), MAX_WORKERS) : positiveInteger(text);
    return count === undefined || count > MAX_WORKERS ? undefined : count;
  };
  const workers = values.parsed('workers', parse, `a number from 1 to ${MAX_WORKERS}, or auto`) ?? 1;
  if (workers === 1) return 1;
  if (values.oneOf('fastPath', ['on', 'off']) === 'off')
    values.problem(
      '--workers needs the fast path: without it every request would go through the first process. Use --fast-path on',
    );
  if (!SHARED_PORTS.has(process.platform))
    values.problem(
      `--workers needs an operating system on which processes can share a port; ${process.platform} is none`,
    );
  return workers;
}

function tlsOf(values: FlagValues): ServeOptions['tls'] {
  const [cert, key, ca] = [values.text('tlsCert'), values.text('tlsKey'), values.text('tlsCa')];
  if (cert !== undefined && key !== undefined) return { cert, key, ca };
  if (cert !== undefined || key !== undefined) values.problem('--tls-cert and --tls-key must be given together');
  else if (ca !== undefined) values.problem('--tls-ca needs --tls-cert and --tls-key');
  return undefined;
}

class FlagValues {
  readonly #given: Given;
  readonly #env: Environment;
  readonly #problems: string[] = [];

  constructor(given: Given, env: Environment) {
    this.#given = given;
    this.#env = env;
  }

  problem(sentence: string): void {
    this.#problems.push(sentence);
  }

  throwProblems(): void {
    if (this.#problems.length > 0) throw new UsageError(this.#problems);
  }

  on(key: FlagKey): boolean {
    return this.#on(flagOf(key));
  }

  count(key: FlagKey): number {
    return Number(this.#given[key] ?? 0);
  }

  text(key: FlagKey): string | undefined {
    return this.#read(flagOf(key))?.value;
  }

  parsed<T>(key: FlagKey, parse: (text: string) => T | undefined, expected: string): T | undefined {
    const found = this.#read(flagOf(key));
    if (found === undefined) return undefined;
    const value = parse(found.value);
    if (value === undefined) this.problem(`invalid ${found.origin}: '${found.value.slice(0, 100)}' is not ${expected}`);
    return value;
  }

  oneOf<T extends string>(key: FlagKey, allowed: readonly T[]): T | undefined {
    return this.parsed(key, (text) => allowed.find((each) => each === text), `one of ${allowed.join(', ')}`);
  }

  refuseUnbuilt(): void {
    for (const flag of SERVE_FLAGS as readonly Flag[]) {
      if (flag.needs === undefined) continue;
      if (isSwitch(flag)) {
        if (this.#on(flag)) this.#refuse(flag, this.#given[flag.key] === true ? longName(flag) : envOrigin(flag));
        continue;
      }
      const found = this.#read(flag);
      if (found === undefined) continue;
      if (flag.key === 'guardsMode' && !GUARDS_MODES.includes(found.value.toLowerCase())) {
        this.problem(
          `invalid ${found.origin}: unknown enforcement mode: ${found.value.slice(0, 100)} (valid modes: ${GUARDS_MODES.join(', ')})`,
        );
        continue;
      }
      this.#refuse(flag, found.origin);
    }
  }

  #refuse(flag: Flag, origin: string): void {
    this.problem(
      `${origin} needs ${flag.needs}, which this version does not have. Nothing was started; remove it to go on without.`,
    );
  }

  #on(flag: Flag): boolean {
    if (this.#given[flag.key] !== undefined) return this.#given[flag.key] === true;
    const written = flag.env === undefined ? undefined : this.#env[flag.env]?.trim().toLowerCase();
    if (written === undefined || written === '') return false;
    if (['1', 'true', 'yes', 'on'].includes(written)) return true;
    if (!['0', 'false', 'no', 'off'].includes(written))
      this.problem(`invalid ${envOrigin(flag)}: it is neither true nor false (1, yes, on; 0, no, off)`);
    return false;
  }

  /** The text that was given and where; never logged as a whole, it may be a secret. */
  #read(flag: Flag): { readonly value: string; readonly origin: string } | undefined {
    const given = this.#given[flag.key];
    if (typeof given === 'string') return given === '' ? undefined : { value: given, origin: longName(flag) };
    const fromEnv = flag.env === undefined ? undefined : this.#env[flag.env]?.trim();
    return fromEnv === undefined || fromEnv === '' ? undefined : { value: fromEnv, origin: envOrigin(flag) };
  }
}

function flagOf(key: FlagKey): Flag {
  const flag = SERVE_FLAGS.find((each) => each.key === key);
  if (flag === undefined) throw new TypeError(`no flag ${key}`);
  return flag;
}

function envOrigin(flag: Flag): string {
  return `${flag.env ?? ''} (environment variable of ${longName(flag)})`;
}

function levelFor(verbosity: number): string {
  return ['info', 'debug'][verbosity] ?? 'trace';
}

function shutdownTimeout(text: string): number | undefined {
  const value = parseDuration(text);
  return value === undefined || value > MAX_TIMER_MS ? undefined : value;
}

function positiveInteger(text: string): number | undefined {
  const value = /^\d+$/.test(text) ? Number(text) : 0;
  return Number.isSafeInteger(value) && value > 0 ? value : undefined;
}
