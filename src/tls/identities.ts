/** All TLS material of a gateway: loaded once, exchanged together when files or configuration change, or not at all. */
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import type { UpstreamTlsConfig } from '../config/tls-config.ts';
import type { NoteOfUse } from './certificate-note.ts';
import { contentKey } from './content-key.ts';
import { ExpiryWatch } from './expiry.ts';
import { checkSuccession, type ListenerGeneration, listenerPaths, loadListener } from './listener-generation.ts';
import { type Inventory, inventory, type MaterialProblem } from './inventory.ts';
import { ListenerTls, type ListenerTlsOptions } from './listener-tls.ts';
import { MaterialError, MaterialErrors } from './material-error.ts';
import { type Files, readStable } from './read-stable.ts';
import {
  loadUpstream,
  PLAIN_IDENTITY,
  UpstreamIdentity,
  type UpstreamGeneration,
  upstreamPaths,
} from './upstream-identity.ts';

/** What a configuration leads to, read and checked. */
export interface LoadedMaterial {
  readonly listener: ListenerGeneration | undefined;
  readonly upstream: ReadonlyMap<string, LoadedUpstream>;
  readonly problems: readonly MaterialError[];
}

interface LoadedUpstream {
  readonly config: UpstreamTlsConfig;
  readonly users: readonly string[];
  /** False when only registered servers use it: whatever is wrong with it then concerns nobody else. */
  readonly ofFile: boolean;
  readonly state: UpstreamGeneration | MaterialError;
}

/** The step between checking new material and using it. Exactly one of the two is called. */
export interface PreparedMaterial {
  /** Exchanges everything. Rejects when the listener does not serve it; then everything is as it was. Resolves with lines for the log. */
  commit(): Promise<readonly string[]>;
  discard(): Promise<void>;
}

/** What serves now; material with the same content is taken from here and not judged again. */
interface Current {
  readonly listener: ListenerGeneration | undefined;
  readonly upstream: ReadonlyMap<string, UpstreamIdentity>;
}

const NOTHING: Current = { listener: undefined, upstream: new Map() };

/** Reads files as they were together; default: from the disk, when they have come to rest. */
export type ReadFiles = (paths: Iterable<string>) => Promise<Files>;

export interface IdentitiesOptions extends ListenerTlsOptions {
  readonly read?: ReadFiles;
}

export interface PrepareOptions {
  /** False takes material that is in use as it is and reads only what is new: nobody has said that files have changed. */
  readonly readAgain: boolean;
}

/** Reads and checks everything that the configuration names; starts nothing. Rejects only when files do not come to rest. */
export async function loadMaterial(
  config: Config,
  current: Current = NOTHING,
  { readAgain }: PrepareOptions = { readAgain: true },
  read: ReadFiles = readStable,
): Promise<LoadedMaterial> {
  const upstreams = wanted(config);
  const { tls } = config.gateway;
  const isKept = (key: string): boolean => !readAgain && current.upstream.has(key);
  const paths = [...upstreams].flatMap(([key, { config: each }]) => (isKept(key) ? [] : upstreamPaths(each)));
  const files = await read([...paths, ...(tls === undefined || !readAgain ? [] : listenerPaths(tls))]);
  const problems: MaterialError[] = [];
  const listener =
    tls === undefined || !readAgain
      ? current.listener
      : await noting(problems, () => loadListener(tls, files, current.listener));
  const upstream = new Map<string, LoadedUpstream>();
  for (const [key, each] of upstreams) {
    const existing = current.upstream.get(key);
    const state =
      existing !== undefined && isKept(key)
        ? (existing.failure ?? existing.current())
        : await loadOne(each, files, existing);
    upstream.set(key, { ...each, state });
  }
  for (const { state } of upstream.values()) if (state instanceof MaterialError) problems.push(state);
  return { listener, upstream, problems };
}

/** What is known of all certificates, authorities and lists of loaded material. */
export function notesOf({ listener, upstream }: Omit<LoadedMaterial, 'problems'>): readonly NoteOfUse[] {
  return [
    ...(listener?.notes ?? []).map((note) => ({ note, listener: true, servers: [] })),
    ...[...upstream.values()].flatMap(({ state, users }) =>
      state instanceof MaterialError ? [] : state.notes.map((note) => ({ note, listener: false, servers: users })),
    ),
  ];
}

/** What cannot be used of loaded material, without the names of servers in the text: not everybody may see them all. */
export function problemsOf({ upstream, problems }: Omit<LoadedMaterial, 'listener'>): readonly MaterialProblem[] {
  return problems.map((problem) => {
    const concerned = [...upstream.values()].find(({ state }) => state === problem);
    const { where, reason } =
      concerned !== undefined && problem.cause instanceof MaterialError ? problem.cause : problem;
    return { source: where, reason, servers: concerned?.users ?? [] };
  });
}

export class Identities implements Disposable {
  readonly name = 'certificates';
  /** undefined while the listener speaks plain HTTP. */
  readonly listener: ListenerTls | undefined;
  readonly #log: Logger;
  readonly #read: ReadFiles | undefined;
  readonly #expiry: ExpiryWatch;
  #config: Config;
  #upstream: ReadonlyMap<string, UpstreamIdentity>;
  #users: ReadonlyMap<string, readonly string[]>;
  /** How often each is held by servers that are no part of the configuration. */
  readonly #held = new Map<string, number>();

  private constructor(config: Config, loaded: LoadedMaterial, log: Logger, options: IdentitiesOptions) {
    this.#log = log;
    this.#read = options.read;
    this.#config = config;
    const { tls } = config.gateway;
    if (tls !== undefined && loaded.listener !== undefined)
      this.listener = new ListenerTls(tls, loaded.listener, log, options);
    this.#upstream = new Map(
      [...loaded.upstream].map(([key, each]) => [key, new UpstreamIdentity(each.config, each.state)]),
    );
    this.#users = new Map([...loaded.upstream].map(([key, { users }]) => [key, users]));
    this.#expiry = new ExpiryWatch({ notes: () => this.#notes(), log });
  }

  /**
   * Loads everything for the start. Rejects with MaterialErrors when the listener has nothing to serve with; a server
   * whose material cannot be used fails alone, with the reason as its health, until the files are mended.
   */
  static async open(config: Config, log: Logger, options: IdentitiesOptions = {}): Promise<Identities> {
    const loaded = await loadMaterial(config, NOTHING, { readAgain: true }, options.read);
    if (config.gateway.tls !== undefined && loaded.listener === undefined) throw new MaterialErrors(loaded.problems);
    const identities = new Identities(config, loaded, log, options);
    identities.#tellOfServers(loaded);
    identities.#expiry.start();
    return identities;
  }

  /** The identity for connections to a server of the current or of the prepared configuration; undefined for plain HTTP. */
  upstream(server: {
    readonly url: string;
    readonly tls: UpstreamTlsConfig | undefined;
  }): UpstreamIdentity | undefined {
    if (!server.url.startsWith('https:')) return undefined;
    const identity = this.#upstream.get(keyOf(server.tls ?? PLAIN_IDENTITY));
    if (identity === undefined) throw new Error('the TLS material of a server was not loaded');
    return identity;
  }

  /**
   * Makes `upstream` know a server that is no part of any configuration, until the result is disposed. Rejects with a
   * MaterialError when its material cannot be used.
   */
  async hold(tls: UpstreamTlsConfig = PLAIN_IDENTITY): Promise<Disposable> {
    const key = keyOf(tls);
    const usable = this.#upstream.get(key);
    if (usable === undefined || usable.failure !== undefined) {
      const state = await loadUpstream(tls, await readStable(upstreamPaths(tls)));
      const meanwhile = this.#upstream.get(key);
      if (meanwhile === undefined) this.#upstream = new Map(this.#upstream).set(key, new UpstreamIdentity(tls, state));
      else if (meanwhile.failure !== undefined) meanwhile.replace(state);
    }
    this.#held.set(key, (this.#held.get(key) ?? 0) + 1);
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        const left = (this.#held.get(key) ?? 1) - 1;
        if (left > 0) this.#held.set(key, left);
        else this.#held.delete(key);
        this.#forget((each) => each === key);
      },
    };
  }

  /** Drops identities that nothing needs: no server of the configuration, and none that is only held. */
  #forget(isCandidate: (key: string) => boolean): void {
    const isNeeded = (key: string): boolean => this.#users.has(key) || this.#held.has(key);
    this.#upstream = new Map([...this.#upstream].filter(([key]) => !isCandidate(key) || isNeeded(key)));
  }

  /** For what belongs to no server, such as token endpoints: the authorities of the system, no certificate of ours. */
  plain(): UpstreamIdentity {
    const identity = this.#upstream.get(keyOf(PLAIN_IDENTITY));
    if (identity === undefined) throw new Error('the authorities of the system were not loaded');
    return identity;
  }

  /** Every file that material was read from; a change of one of them calls for a new `prepare`. */
  files(): readonly string[] {
    const { tls } = this.#config.gateway;
    const upstream = [...this.#upstream.values()].flatMap(({ config }) => upstreamPaths(config));
    return [...new Set([...(tls === undefined ? [] : listenerPaths(tls)), ...upstream])];
  }

  /** Everything that is in use, with what cannot be used. */
  inventory(): Inventory {
    const upstream = this.#loaded();
    const problems = [...this.#upstream.values()].flatMap(({ failure }) => failure ?? []);
    return inventory(this.#notes(), problemsOf({ upstream, problems }), new Date());
  }

  #notes(): readonly NoteOfUse[] {
    return notesOf({ listener: this.listener?.generation, upstream: this.#loaded() });
  }

  #loaded(): ReadonlyMap<string, LoadedUpstream> {
    const upstream = new Map<string, LoadedUpstream>();
    for (const [key, identity] of this.#upstream) {
      const state = identity.failure ?? identity.current();
      upstream.set(key, { config: identity.config, users: this.#users.get(key) ?? [], ofFile: false, state });
    }
    return upstream;
  }

  /**
   * Reads and checks the material of the next configuration; nothing in use is touched. Rejects with MaterialErrors, each
   * naming file and reason. Identities that exist keep serving what they have until `commit`.
   */
  async prepare(next: Config, options: PrepareOptions = { readAgain: true }): Promise<PreparedMaterial> {
    refuseRestart(this.#config, next);
    const current = { listener: this.listener?.generation, upstream: this.#upstream };
    const loaded = await loadMaterial(next, current, options, this.#read);
    const problems: MaterialError[] = [];
    const listener = loaded.listener === undefined ? undefined : this.#nextListener(loaded.listener, next, problems);
    if (next.gateway.tls !== undefined && loaded.listener === undefined) problems.push(...loaded.problems.slice(0, 1));
    const notes: string[] = [];
    // What only registered servers use must not hold up a reload: it fails alone, or stays as it is.
    const report = (state: MaterialError, ofFile: boolean): void =>
      void (ofFile ? problems.push(state) : notes.push(`not used: ${state.message}`));
    const added = new Map<string, UpstreamIdentity>();
    const replaced: { readonly identity: UpstreamIdentity; readonly state: UpstreamGeneration }[] = [];
    for (const [key, { config, ofFile, state }] of loaded.upstream) {
      const existing = this.#upstream.get(key);
      if (existing === undefined) {
        if (state instanceof MaterialError) report(state, ofFile);
        added.set(key, new UpstreamIdentity(config, state));
      } else if (state instanceof MaterialError) {
        // One that never worked must not hold up the others.
        if (existing.failure === undefined) report(state, ofFile);
      } else if (existing.failure !== undefined || existing.current() !== state) {
        replaced.push({ identity: existing, state });
      }
    }
    if (problems.length > 0) throw new MaterialErrors(problems);
    this.#upstream = new Map([...this.#upstream, ...added]);
    return {
      commit: async () => {
        const lines = listener === undefined ? [] : await this.#applyListener(listener);
        for (const { identity, state } of replaced) identity.replace(state);
        this.#users = new Map([...loaded.upstream].map(([key, { users }]) => [key, users]));
        this.#forget(() => true);
        this.#config = next;
        this.#expiry.look();
        return [...lines, ...replaced.map(({ identity, state }) => this.#line(identity, state)), ...notes];
      },
      discard: async () => this.#forget((key) => added.has(key)),
    };
  }

  [Symbol.dispose](): void {
    this.#expiry[Symbol.dispose]();
  }

  /** undefined when it is what serves already: then nothing is checked, so that an old certificate cannot hold up another one. */
  #nextListener(loaded: ListenerGeneration, next: Config, problems: MaterialError[]): ListenerGeneration | undefined {
    const current = this.listener?.generation;
    if (current === undefined || current === loaded) return undefined;
    try {
      checkSuccession(current, loaded, next.gateway.domain, next.gateway.tls?.cert ?? 'gateway.tls');
    } catch (error) {
      if (!(error instanceof MaterialError)) throw error;
      problems.push(error);
    }
    return loaded;
  }

  async #applyListener(generation: ListenerGeneration): Promise<readonly string[]> {
    const closed = (await this.listener?.apply(generation)) ?? 0;
    const { number, leaf } = generation;
    const line = `generation ${number}: the listener serves the certificate with the serial ${leaf.serialNumber}, valid until ${leaf.validToDate.toISOString()}`;
    return closed === 0 ? [line] : [line, `${closed} connections of clients that are no longer trusted were closed`];
  }

  #line(identity: UpstreamIdentity, { number }: UpstreamGeneration): string {
    const key = keyOf(identity.config);
    return `generation ${number}: new connections to ${(this.#users.get(key) ?? []).join(', ')} use the new material`;
  }

  #tellOfServers({ upstream }: LoadedMaterial): void {
    for (const { state, users } of upstream.values()) {
      if (state instanceof MaterialError)
        this.#log.error(
          { servers: users, file: state.where, reason: state.reason },
          'TLS material of a server cannot be used',
        );
    }
  }
}

/** The distinct identities that servers need, with the names of those servers; and the one without any setting. */
function wanted({ servers }: Config): ReadonlyMap<string, Omit<LoadedUpstream, 'state'>> {
  const plain = { config: PLAIN_IDENTITY, users: [] as string[], ofFile: true };
  const found = new Map([[keyOf(PLAIN_IDENTITY), plain]]);
  for (const server of servers) {
    if (server.kind !== 'http' || !server.url.startsWith('https:')) continue;
    const config = server.tls ?? PLAIN_IDENTITY;
    const key = keyOf(config);
    const ofFile = server.registration.origin.kind === 'file';
    const known = found.get(key);
    if (known === undefined) found.set(key, { config, users: [server.name], ofFile });
    else {
      known.users.push(server.name);
      known.ofFile ||= ofFile;
    }
  }
  return found;
}

const KEYS = new WeakMap<UpstreamTlsConfig, string>();

function keyOf(config: UpstreamTlsConfig): string {
  const known = KEYS.get(config);
  if (known !== undefined) return known;
  const { ca, systemCa, cert, key, pfx, passphrase, minVersion, verify, serverName, strictNames } = config;
  const made = contentKey([ca, systemCa, cert, key, pfx, passphrase, minVersion, verify, serverName, strictNames]);
  KEYS.set(config, made);
  return made;
}

async function loadOne(
  { config, users }: { readonly config: UpstreamTlsConfig; readonly users: readonly string[] },
  files: Files,
  existing: UpstreamIdentity | undefined,
): Promise<UpstreamGeneration | MaterialError> {
  try {
    return await loadUpstream(config, files, existing?.failure === undefined ? existing?.current() : undefined);
  } catch (error) {
    if (!(error instanceof MaterialError)) throw error;
    return new MaterialError(
      error.where,
      `${error.reason} (${users.map((name) => `server "${name}"`).join(', ')})`,
      error,
    );
  }
}

async function noting<T>(problems: MaterialError[], load: () => Promise<T>): Promise<T | undefined> {
  try {
    return await load();
  } catch (error) {
    if (!(error instanceof MaterialError)) throw error;
    problems.push(error);
    return undefined;
  }
}

/** What sockets were opened with cannot change under them. */
function refuseRestart({ gateway: before }: Config, { gateway: after }: Config): void {
  const change =
    (before.tls === undefined) !== (after.tls === undefined)
      ? 'tls: switching TLS of the listener on or off'
      : before.tls?.clientAuth === after.tls?.clientAuth
        ? undefined
        : 'clientAuth: a change of whether clients show certificates';
  if (change === undefined) return;
  throw new MaterialErrors([new MaterialError('gateway.tls', `${change} needs a restart`)]);
}
