/** The log: JSON lines on stderr and, with a log directory, in files, without secrets and without ever holding up a request. */
import { createRequire } from 'node:module';
import type * as PinoPretty from 'pino-pretty';
import { pino, stdTimeFunctions, type Bindings, type ChildLoggerOptions, type Logger, type LoggerOptions } from 'pino';
import { LineSink, type Loss } from './line-sink.ts';
import { GATEWAY_LOG, openLogFile, RPC_LOG, serverLogName } from './log-directory.ts';
import { createRedactor, type Redactor } from './redaction.ts';
import { AccessLog, type AccessEntry } from './access-log.ts';
import { RpcLog, type Direction } from './rpc-log.ts';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

export interface TelemetryOptions {
  /** Least level that is written, one of LOG_LEVELS; default `info`. */
  readonly level?: string;
  /** Where mcp-gateway.log, `<server>.log` and rpc-messages.jsonl are written; without it there is only `destination`. */
  readonly directory?: string;
  /** Lines for people instead of JSON on `destination`; default: when stderr is a terminal. Files are always JSON lines. */
  readonly pretty?: boolean;
  /** File descriptor that the lines go to; default 2, stderr. */
  readonly destination?: number;
  /** Another process takes what goes to `destination`, and writes mcp-gateway.log. */
  readonly relayed?: boolean;
}

export interface Telemetry extends AsyncDisposable {
  readonly log: Logger;
  /**
   * The log of one server, with `server` in every line; with a log directory its lines also go to `<server>.log`.
   * Lines that the server itself wrote are logged as `info({ stream: 'stderr' }, line)`.
   */
  serverLog(server: string): Logger;
  /** True when `recordMessage` writes anything. */
  readonly recordsMessages: boolean;
  /**
   * One message to (`OUT`) or from (`IN`) a server, for rpc-messages.jsonl: as text, or as pieces of its UTF-8. Does
   * nothing without a log directory.
   */
  recordMessage(direction: Direction, server: string, message: string | readonly Buffer[]): void;
  /** One message of a client, as a line of severity `info`. */
  recordAccess(entry: AccessEntry): void;
  /** Lines that another process has logged, with `relayed`. */
  relay(lines: string): void;
  /** Values of at least 6 characters that are from now on replaced wherever they occur in a log. */
  addSecrets(values: Iterable<string>): void;
  /** Changes the least level of everything, or of one server, and of every child logger of it. Throws a RangeError for an unknown level or server. */
  setLevel(level: string, server?: string): void;
  /** Writes out what is buffered before it returns: for the last line of a process that is about to end. */
  flushSync(): void;
}

/** Lines that a stalled reader of stderr or a slow disk may hold up in memory, per file, in UTF-16 units. */
const MAX_BUFFERED = 8 * 1024 * 1024;

/** Opens the log. Throws when the log directory cannot be written. */
export function createTelemetry(options: TelemetryOptions = {}): Telemetry {
  return new LogTelemetry(options);
}

class LogTelemetry implements Telemetry {
  readonly log: Logger;
  readonly #redactor = createRedactor();
  readonly #directory: string | undefined;
  readonly #sinks: LineSink[] = [];
  /** What every line goes through on its way out. */
  readonly #main: (line: string) => void;
  readonly #relay: (lines: string) => void;
  readonly #servers = new Map<string, Logger>();
  readonly #rpc: RpcLog | undefined;
  readonly #access: AccessLog;
  readonly #onExit = (): void => this.flushSync();

  constructor(options: TelemetryOptions) {
    const { directory, destination = 2, level = 'info' } = options;
    this.#directory = directory;
    // Reading the property makes Node open stderr, which leaves a pipe non-blocking: a reader that stalls cannot stall us.
    const terminal = process.stderr.isTTY;
    const output = this.#open(destination, 'stderr', false);
    const format = (options.pretty ?? (destination === 2 && terminal)) ? prettyFormat(terminal) : undefined;
    const gatewayFile =
      directory === undefined || options.relayed === true
        ? undefined
        : this.#open(openLogFile(directory, GATEWAY_LOG), GATEWAY_LOG, true);
    this.#main = (line) => {
      output.write(format === undefined ? line : format(line));
      gatewayFile?.write(line);
    };
    this.#relay = (lines) => {
      if (format !== undefined) for (const line of lines.match(/.*\n/g) ?? []) output.write(format(line));
      else output.write(lines);
      gatewayFile?.write(lines);
    };
    this.log = createLogger(level, {}, this.#redactor, this.#main);
    this.#access = new AccessLog({
      enabled: () => this.log.isLevelEnabled('info'),
      write: this.#main,
      redactor: this.#redactor,
    });
    if (directory !== undefined) {
      const sink = this.#open(openLogFile(directory, RPC_LOG), RPC_LOG, true);
      this.#rpc = new RpcLog(sink, this.#redactor, (messages) =>
        this.log.warn(
          { file: RPC_LOG, droppedLines: messages },
          'messages came faster than they could be recorded; some are missing',
        ),
      );
    }
    process.once('exit', this.#onExit);
  }

  serverLog(server: string): Logger {
    const known = this.#servers.get(server);
    if (known !== undefined) return known;
    const file = this.#serverFile(server);
    const logger = createLogger(this.log.level, { server }, this.#redactor, (line) => {
      this.#main(line);
      file?.write(line);
    });
    this.#servers.set(server, logger);
    return logger;
  }

  get recordsMessages(): boolean {
    return this.#rpc !== undefined;
  }

  recordMessage(direction: Direction, server: string, message: string | readonly Buffer[]): void {
    this.#rpc?.record(direction, server, message);
  }

  recordAccess(entry: AccessEntry): void {
    this.#access.record(entry);
  }

  relay(lines: string): void {
    this.#relay(lines);
  }

  addSecrets(values: Iterable<string>): void {
    this.#access.forget();
    this.#redactor.addSecrets(values);
  }

  setLevel(level: string, server?: string): void {
    assertLevel(level);
    if (server !== undefined) {
      const logger = this.#servers.get(server);
      // Never made on demand: the name may come from outside and would become a file.
      if (logger === undefined) throw new RangeError(`there is no log of a server '${server.slice(0, 64)}'`);
      logger.level = level;
      return;
    }
    this.log.level = level;
    for (const logger of this.#servers.values()) logger.level = level;
  }

  flushSync(): void {
    this.#rpc?.flush();
    for (const sink of this.#sinks) sink.flushSync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.off('exit', this.#onExit);
    this.#rpc?.flush();
    await Promise.all(this.#sinks.map((sink) => sink.close()));
  }

  #open(fd: number, name: string, owned: boolean): LineSink {
    const sink = new LineSink({ fd, owned, maxBuffered: MAX_BUFFERED, onLoss: (loss) => this.#reportLoss(name, loss) });
    this.#sinks.push(sink);
    return sink;
  }

  #serverFile(server: string): LineSink | undefined {
    if (this.#directory === undefined) return undefined;
    const name = serverLogName(server);
    try {
      return this.#open(openLogFile(this.#directory, name), name, true);
    } catch (error) {
      // The gateway already runs: a missing log file of one server is no reason to end it.
      this.log.error(
        { err: error, file: name },
        'cannot open the log file of a server; its lines go to the main log only',
      );
      return undefined;
    }
  }

  #reportLoss(file: string, loss: Loss): void {
    if (loss.over) {
      this.log.warn({ file, droppedLines: loss.lines }, 'log lines were dropped; writing works again');
    } else {
      const reason = loss.error === undefined ? 'its reader is too slow' : 'it cannot be written';
      this.log.warn({ file, err: loss.error }, `log lines are being dropped: ${reason}`);
    }
  }
}

function createLogger(level: string, base: Bindings, redactor: Redactor, write: (line: string) => void): Logger {
  assertLevel(level);
  const options: LoggerOptions = {
    level,
    base,
    timestamp: stdTimeFunctions.isoTime,
    formatters: {
      level: (label) => ({ level: label }),
      bindings: (bindings) => redacted(bindings, redactor),
      log: (fields) => redacted(fields, redactor),
    },
    serializers: {
      msg: (message: unknown) => (typeof message === 'string' ? redactor.text(message) : message),
      // Errors have become records in `formatters.log`.
      err: (error: unknown) => error,
    },
  };
  const logger = pino(options, { write });
  // pino applies no formatter to the bindings of a child; every descendant finds this method through its prototype.
  const child: unknown = Reflect.get(logger, 'child');
  if (typeof child !== 'function') throw new TypeError('a pino logger has a method child');
  Object.defineProperty(logger, 'child', {
    value(this: Logger, bindings: Bindings, childOptions?: ChildLoggerOptions): unknown {
      return Reflect.apply(child, this, [redacted(bindings, redactor), childOptions]);
    },
  });
  return logger;
}

function redacted(fields: object, redactor: Redactor): Record<string, unknown> {
  const copy = redactor.value(fields);
  return typeof copy === 'object' && copy !== null ? { ...copy } : {};
}

function assertLevel(level: string): void {
  if (LOG_LEVELS.some((known) => known === level)) return;
  throw new RangeError(`unknown log level '${level}'; it is one of ${LOG_LEVELS.join(', ')}`);
}

function prettyFormat(colorize: boolean): (line: string) => string {
  // Only now, for it is of use at a terminal alone. Not by import(): nothing is logged before the log is there.
  const { prettyFactory } = createRequire(import.meta.url)('pino-pretty') as typeof PinoPretty;
  const format = prettyFactory({ colorize, translateTime: 'SYS:HH:MM:ss.l', singleLine: true });
  // Servers write into the log: their control characters must not reach the operator's terminal.
  return (line) => format(line.replaceAll(/\\u00[01][0-9a-f]|[\u007f-\u009f]/g, '\ufffd'));
}
