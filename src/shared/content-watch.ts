/**
 * Tells when the content of files has changed, however they were replaced: written in place, renamed over, or reached
 * through links that now lead elsewhere (the `..data` swap of Kubernetes).
 */
import { createHash } from 'node:crypto';
import { watch, type FSWatcher } from 'node:fs';
import { readFile, realpath } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface ContentWatchOptions {
  /** Paths of the files, asked at every look: the list may change. */
  readonly files: () => Iterable<string>;
  /** Told the paths whose content differs from what was there before, after two reads in a row have agreed. Must not throw. */
  readonly onChange: (changed: readonly string[]) => void;
  /** How often the content is compared even when no event came, in ms; network file systems send none. */
  readonly intervalMs?: number;
}

const DEFAULT_INTERVAL_MS = 30_000;
/** A pair of files is rarely replaced in one step: the second look comes after this pause, in ms. */
const SETTLE_MS = 100;
/** Files that never stop changing are reported as they are after so many looks. */
const MAX_LOOKS = 50;
const ABSENT = 'absent';

type Contents = ReadonlyMap<string, string>;

export class ContentWatch implements AsyncDisposable {
  readonly #options: ContentWatchOptions;
  readonly #folders = new Map<string, FSWatcher>();
  #known: Contents = new Map();
  /** Counts what was acknowledged, so that a look that began before is not believed after it. */
  #acknowledged = 0;
  #timer: NodeJS.Timeout | undefined;
  #soon: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #again = false;
  #stopped = false;

  constructor(options: ContentWatchOptions) {
    this.#options = options;
  }

  /** Takes what is there now as known, and watches from now on. */
  async start(): Promise<void> {
    const files = [...this.#options.files()];
    await this.#watchFolders(files);
    this.#known = await contentsOf(files);
    if (this.#stopped) return;
    this.#timer = setInterval(() => void this.look(), this.#options.intervalMs ?? DEFAULT_INTERVAL_MS);
    this.#timer.unref();
  }

  /**
   * What is there now is about to be read by somebody: only what differs from it is told from now on. Without this a
   * change that was read on another occasion and then taken back would look as if nothing had happened.
   */
  async acknowledge(): Promise<void> {
    this.#acknowledged++;
    this.#known = await contentsOf([...this.#options.files()]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    clearTimeout(this.#soon);
    for (const watcher of this.#folders.values()) watcher.close();
    this.#folders.clear();
    await this.#looking;
  }

  /** Events come in bursts, and an event says nothing about content: each burst leads to one look. */
  #event(): void {
    if (this.#stopped || this.#soon !== undefined) return;
    this.#soon = setTimeout(() => {
      this.#soon = undefined;
      void this.look();
    }, SETTLE_MS);
    this.#soon.unref();
  }

  /** Looks now, also at files that have joined since the last time. Resolves when it has looked. */
  async look(): Promise<void> {
    if (this.#stopped) return;
    if (this.#looking !== undefined) {
      this.#again = true;
      return this.#looking;
    }
    this.#looking = this.#compare().finally(() => {
      this.#looking = undefined;
      if (!this.#again) return;
      this.#again = false;
      void this.look();
    });
    await this.#looking;
  }

  async #compare(): Promise<void> {
    const begun = this.#acknowledged;
    const files = [...this.#options.files()];
    await this.#watchFolders(files);
    let seen = await contentsOf(files);
    if (begun === this.#acknowledged && changesBetween(this.#known, seen).length === 0) {
      this.#known = seen;
      return;
    }
    for (let looks = 0; looks < MAX_LOOKS && !this.#stopped; looks++) {
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
      const later = await contentsOf(files);
      const stable = changesBetween(seen, later).length === 0;
      seen = later;
      if (stable) break;
    }
    if (begun !== this.#acknowledged) {
      this.#again = true;
      return;
    }
    const changed = changesBetween(this.#known, seen);
    this.#known = seen;
    if (changed.length > 0 && !this.#stopped) this.#options.onChange(changed);
  }

  /** The folder of each file and of what it leads to: a watch on the file itself is lost with the first rename over it. */
  async #watchFolders(files: readonly string[]): Promise<void> {
    const wanted = new Set<string>();
    for (const file of files) {
      wanted.add(dirname(file));
      const target = await realpath(file).catch(() => undefined);
      if (target !== undefined) wanted.add(dirname(target));
    }
    if (this.#stopped) return;
    for (const [folder, watcher] of this.#folders) {
      if (wanted.has(folder)) continue;
      watcher.close();
      this.#folders.delete(folder);
    }
    for (const folder of wanted) if (!this.#folders.has(folder)) this.#watchFolder(folder);
  }

  /** A folder that cannot be watched, or is gone, leaves the interval, which tries again. */
  #watchFolder(folder: string): void {
    try {
      const watcher = watch(folder, { persistent: false }, () => this.#event());
      this.#folders.set(folder, watcher);
      watcher.on('error', () => {
        watcher.close();
        this.#folders.delete(folder);
      });
    } catch {
      this.#folders.delete(folder);
    }
  }
}

async function contentsOf(files: readonly string[]): Promise<Contents> {
  const entries = files.map(async (file): Promise<[string, string]> => {
    try {
      return [
        file,
        createHash('sha256')
          .update(await readFile(file))
          .digest('base64'),
      ];
    } catch {
      return [file, ABSENT];
    }
  });
  return new Map(await Promise.all(entries));
}

/** A file that is looked at for the first time has not changed. */
function changesBetween(before: Contents, after: Contents): readonly string[] {
  return [...after].flatMap(([file, hash]) => (before.has(file) && before.get(file) !== hash ? [file] : []));
}
