/**
 * Writes lines to a file descriptor in batches, off the event loop's path, and never holds more than a fixed amount.
 *
 * Not pino's own destination (sonic-boom 4.2): on a full disk or a closed pipe its `flushSync`, which runs at exit,
 * retries for ever, and a gateway that cannot end is worse than one that lost log lines.
 */
import { close, write, writeSync } from 'node:fs';

const EMPTY = Buffer.alloc(0);
/** In bytes, or in UTF-16 units of what waits behind it. */
const MAX_BATCH = 256 * 1024;
const BATCH_MS = 25;
/** The reader of a pipe is behind: look again after this long. */
const RETRY_MS = 20;
/** How long closing and the last synchronous flush may wait for a reader that does not read. */
const CLOSE_DEADLINE_MS = 2_000;

export interface LineSinkOptions {
  readonly fd: number;
  /** Close the descriptor with the sink. */
  readonly owned: boolean;
  /** Lines beyond this many UTF-16 units in memory are dropped and counted. */
  readonly maxBuffered: number;
  /** Told when lines were lost: once when it starts (`error` says why, if something failed), once with the number when writing works again. */
  readonly onLoss: (loss: Loss) => void;
}

export interface Loss {
  /** Lines lost so far in this episode. */
  readonly lines: number;
  readonly error: Error | undefined;
  readonly over: boolean;
}

export class LineSink {
  readonly #options: LineSinkOptions;
  /** Lines as bytes: texts that wait would be copied by each quick garbage collection. */
  #open: Buffer | undefined;
  #openBytes = 0;
  #openLines = 0;
  #openSize = 0;
  /** The memory of the batch that is being written, and of the one before, to be used again. */
  #lent: Buffer | undefined;
  #spare: Buffer | undefined;
  /** What came when that was full. */
  #pending: string[] = [];
  #pendingSize = 0;
  /** The batch that the operating system has not taken yet. */
  #batch: Buffer | undefined;
  #batchLines = 0;
  #busy = false;
  #closed = false;
  #lost = 0;
  #lossReported = false;
  #retry: NodeJS.Timeout | undefined;
  #onIdle: (() => void) | undefined;

  constructor(options: LineSinkOptions) {
    this.#options = options;
  }

  /** Takes one line, which ends in a newline. Never blocks, never throws. */
  write(line: string): void {
    if (this.#closed || this.#openSize + this.#pendingSize + line.length > this.#options.maxBuffered) {
      this.#lose(1, undefined);
      return;
    }
    if (!this.#put(line)) {
      this.#pending.push(line);
      this.#pendingSize += line.length;
    }
    if (!this.#busy) {
      this.#busy = true;
      this.#later();
    }
  }

  /** Writes what is buffered before it returns; for the moment before the process ends. Gives up when nobody reads. */
  flushSync(): void {
    const rest = Buffer.concat([this.#takeOpen() ?? EMPTY, Buffer.from(this.#pending.join(''))]);
    this.#pending = [];
    this.#pendingSize = 0;
    // A batch already handed to the operating system is written by it, even while the process ends.
    const waiting = this.#retry === undefined ? undefined : this.#batch;
    writeAllSync(this.#options.fd, waiting === undefined ? rest : Buffer.concat([waiting, rest]));
    if (waiting === undefined) return;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#batch = undefined;
    setImmediate(() => this.#next());
  }

  /** Writes what is buffered, waits for a bounded time, closes. Lines that come later are lost. Never rejects. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#busy) {
      await new Promise<void>((resolve) => {
        const deadline = setTimeout(resolve, CLOSE_DEADLINE_MS);
        this.#onIdle = () => {
          clearTimeout(deadline);
          resolve();
        };
      });
    }
    clearTimeout(this.#retry);
    if (this.#options.owned) await new Promise<void>((resolve) => close(this.#options.fd, () => resolve()));
  }

  /** One batch for all lines of a moment: each write costs as much as many lines. */
  #later(): void {
    setTimeout(() => this.#next(), BATCH_MS);
  }

  #next(): void {
    this.#batchLines = this.#openLines;
    this.#lent = this.#open;
    const lines = this.#takeOpen() ?? this.#take();
    if (lines === undefined) {
      this.#busy = false;
      this.#onIdle?.();
      return;
    }
    this.#batch = lines;
    this.#send();
  }

  /** False when there is no room for it now, or others stand before it. */
  #put(line: string): boolean {
    // UTF-8 needs three bytes for a UTF-16 unit at most.
    if (this.#pending.length > 0 || this.#openBytes + line.length * 3 > MAX_BATCH) return false;
    this.#open ??= this.#spare ?? Buffer.allocUnsafeSlow(MAX_BATCH);
    this.#spare = undefined;
    this.#openBytes += this.#open.write(line, this.#openBytes, 'utf8');
    this.#openLines++;
    this.#openSize += line.length;
    return true;
  }

  #takeOpen(): Buffer | undefined {
    const open = this.#open;
    if (open === undefined) return undefined;
    const bytes = open.subarray(0, this.#openBytes);
    this.#open = undefined;
    this.#openBytes = this.#openLines = this.#openSize = 0;
    return bytes;
  }

  #take(): Buffer | undefined {
    if (this.#pending.length === 0) return undefined;
    let size = 0;
    let count = 0;
    for (const line of this.#pending) {
      if (count > 0 && size + line.length > MAX_BATCH) break;
      size += line.length;
      count += 1;
    }
    const lines = this.#pending.splice(0, count);
    this.#pendingSize -= size;
    this.#batchLines = count;
    return Buffer.from(lines.join(''));
  }

  #send(): void {
    const batch = this.#batch;
    if (batch === undefined) return;
    write(this.#options.fd, batch, (error, written) => {
      if (error !== null) this.#failed(error);
      else if (written < batch.length) {
        this.#batch = batch.subarray(written);
        this.#send();
      } else {
        this.#batch = undefined;
        this.#spare ??= this.#lent;
        if (!this.#closed) this.#reportEnd();
        if (this.#openLines + this.#pending.length === 0 || this.#closed) this.#next();
        else this.#later();
      }
    });
  }

  #failed(error: NodeJS.ErrnoException): void {
    if (error.code === 'EAGAIN' || error.code === 'EBUSY') {
      this.#retry = setTimeout(() => {
        this.#retry = undefined;
        this.#send();
      }, RETRY_MS);
      return;
    }
    // A full disk may have room again for the next batch; this one is gone, or the buffer would fill with old news.
    this.#batch = undefined;
    this.#lose(this.#batchLines, error);
    this.#next();
  }

  #lose(lines: number, error: Error | undefined): void {
    this.#lost += lines;
    if (this.#lossReported || this.#closed) return;
    this.#lossReported = true;
    this.#options.onLoss({ lines: this.#lost, error, over: false });
  }

  #reportEnd(): void {
    if (this.#lost === 0) return;
    const lines = this.#lost;
    this.#lost = 0;
    this.#lossReported = false;
    this.#options.onLoss({ lines, error: undefined, over: true });
  }
}

function writeAllSync(fd: number, data: Buffer): void {
  const deadline = performance.now() + CLOSE_DEADLINE_MS;
  let rest = data;
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(fd, rest));
    } catch (error) {
      const busy = error instanceof Error && 'code' in error && error.code === 'EAGAIN';
      if (!busy || performance.now() > deadline) return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
    }
  }
}
