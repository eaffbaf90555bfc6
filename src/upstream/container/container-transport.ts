/** The wire to a server in a container: newline-delimited JSON over the streams of `docker run` or `podman run`. */
import type { ContainerServerConfig, Mount } from '../../config/config.ts';
import { LineReader } from '../../mcp/framing.ts';
import { SharedWireReader, type Received, type SharedWire } from '../../mcp/large-message.ts';
import { LARGE_TEXT } from '../../mcp/shape.ts';
import { within } from '../../shared/async.ts';
import type { CancelSignal } from '../../shared/cancellation.ts';
import { GatewayError } from '../../shared/errors.ts';
import { createRedactor } from '../../telemetry/redaction.ts';
import {
  MAX_MESSAGE_BYTES,
  type SendOptions,
  type Transport,
  type TransportEvents,
  type MessageText,
} from '../transport.ts';
import { engineFailed, exitError, isStartFailure, wasKilled } from './container-exit.ts';
import type { ContainerHost } from './container-host.ts';
import { ContainerProcess, type ProcessEnd } from './container-process.ts';
import type { ContainerDeath, WatchedContainer } from './death-watch.ts';
import { hasImage, removeContainers, stopContainer } from './engine.ts';
import { LastWords } from './last-words.ts';
import { runCommand } from './run-command.ts';
import type { NetworkLease } from './server-networks.ts';

export interface ContainerTransportOptions {
  readonly server: ContainerServerConfig;
  readonly host: ContainerHost;
  /**
   * The mount policy, asked again just before the launch because links may have changed. Resolves with the same mounts
   * under their canonical sources, which are the ones that are launched. Rejects with a GatewayError.
   */
  readonly checkMounts: (mounts: readonly Mount[]) => Promise<readonly Mount[]>;
  /** Told of the lines of stderr, without the values of the server's variables. A flood is shortened. Never throws. */
  readonly onStderr: (line: string) => void;
  /** Told of what the operator should know beside the end of the wire. Never throws. */
  readonly onNotice?: (text: string) => void;
  /** From SIGTERM to SIGKILL when closing, in ms; whole seconds are used. Default 10 s (specification 1.17, section 5). */
  readonly closeTimeoutMs?: number;
  /** How long a server may take to end by itself once its stdin is closed, in ms. Default 2 s. */
  readonly inputClosedGraceMs?: number;
}

const CLOSE_TIMEOUT_MS = 10_000;
const INPUT_CLOSED_GRACE_MS = 2000;
/** After the engine has stopped the container its command has this long to end. */
const COMMAND_GRACE_MS = 5000;
/** A container that is still being created cannot be stopped: try again so often. */
const STOP_ATTEMPTS = 40;
const STOP_INTERVAL_MS = 250;
/** A server that does not read its input may leave so much of it waiting. */
const MAX_QUEUED_BYTES = 64 * 1024 * 1024;
/** The engine tells of a death before its command has ended; what the server wrote last arrives within this time. */
const DEATH_GRACE_MS = 50;
/** The engine may be asked for so long whether the image is there, and calls wait for it. */
const IMAGE_QUESTION_MS = 3000;
/** When the input breaks the end of the process follows at once, or the server has closed its stdin. */
const BROKEN_INPUT_MS = 5000;

export function createContainerTransport(options: ContainerTransportOptions): Transport {
  return new ContainerTransport(options);
}

class ContainerTransport implements Transport {
  readonly listening = true;
  readonly #options: ContainerTransportOptions;
  readonly #name: string;
  readonly #words: LastWords;
  readonly #lines: LineReader;
  readonly #lost = Promise.withResolvers<GatewayError>();
  #reason: GatewayError | undefined;
  #events: TransportEvents | undefined;
  #opening: Promise<void> | undefined;
  #process: ContainerProcess | undefined;
  #network: NetworkLease | undefined;
  #watched: WatchedContainer | undefined;
  /** All calls share it. */
  readonly #wire: SharedWire = {
    pause: () => this.#process?.pause(),
    resume: () => this.#process?.resume(),
    refuse: (answered, error) => this.#events?.onRefused?.(answered, error),
  };
  /** Resolves when the process has ended and nothing of it is left on the engine. */
  #tidied: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;

  constructor(options: ContainerTransportOptions) {
    this.#options = options;
    this.#name = options.host.nameFor(options.server.name);
    const redactor = createRedactor();
    redactor.addSecrets(Object.values(options.server.container.env));
    this.#words = new LastWords({ redact: (line) => redactor.text(line), onLine: options.onStderr });
    this.#lines = new LineReader({
      maxBytes: MAX_MESSAGE_BYTES,
      onDropped: () => this.#events?.onDropped?.(),
      long: {
        bytes: LARGE_TEXT,
        begin: () => new SharedWireReader((message, answered) => this.#deliver(message, answered), this.#wire),
      },
    });
  }

  /** Resolves as soon as the engine's command runs; a container that then fails to start is told by `onClose`. */
  async open(events: TransportEvents, signal: AbortSignal): Promise<void> {
    if (this.#opening !== undefined) throw new Error('A transport is opened once.');
    if (this.#closing !== undefined || signal.aborted) throw this.#aborted(signal);
    this.#events = events;
    this.#opening = this.#start();
    const aborted = Promise.withResolvers<never>();
    const onAbort = (): void => aborted.reject(this.#aborted(signal));
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      await Promise.race([this.#opening, aborted.promise]);
    } catch (error) {
      void this.close();
      throw error;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
    if (this.#closing !== undefined) throw this.#stoppedEarly();
  }

  async #start(): Promise<void> {
    const { server, host, checkMounts } = this.#options;
    const spec = server.container;
    try {
      if (spec.network !== 'none') this.#network = await host.networkFor(server.name, spec.network);
      const mounts = await checkMounts(spec.mounts);
      const command = runCommand({
        engine: host.engine.kind,
        server: server.name,
        spec: { ...spec, mounts },
        name: this.#name,
        labels: host.labelsFor(server.name),
        network: this.#network?.name,
        proxy: this.#network?.proxy,
        stopTimeoutSeconds: this.#stopSeconds,
      });
      if (this.#closing !== undefined) throw this.#stoppedEarly();
      this.#watched = host.watch(this.#name);
      this.#process = await ContainerProcess.start(host.engine, command, {
        onStdout: (piece) => this.#receive(piece),
        onStderr: (piece) => this.#words.push(piece),
      });
    } catch (error) {
      this.#watched?.release();
      await this.#network?.release();
      throw error;
    }
    const { ended } = this.#process;
    this.#tidied = ended.then((end) => this.#ended(end));
    void this.#watched.died.then((death) => this.#died(death, ended));
  }

  send(text: MessageText, { signal }: SendOptions = {}): Promise<void> {
    const process = this.#ready(signal);
    if (process instanceof GatewayError) return Promise.reject(process);
    const written = process.write(text);
    return new Promise((resolve, reject) => {
      const onAbort = (): void => reject(this.#aborted(signal));
      const settle = (): void => signal?.removeEventListener('abort', onAbort);
      signal?.addEventListener('abort', onAbort, { once: true });
      written.then(
        () => (settle(), resolve()),
        () => this.#whyBroken().then((reason) => (settle(), reject(reason))),
      );
    });
  }

  /** What takes a message now, or why nothing does. */
  #ready(signal: CancelSignal | undefined): ContainerProcess | GatewayError {
    const process = this.#process;
    if (this.#reason !== undefined) return this.#reason;
    if (process === undefined) return this.#error('server_unavailable', 'is not running.');
    if (signal?.aborted === true) return this.#aborted(signal);
    return process.queuedBytes > MAX_QUEUED_BYTES
      ? this.#error('server_unavailable', 'does not read its input.')
      : process;
  }

  setProtocolVersion(): void {
    // The version is agreed once for the whole stream; messages do not repeat it.
  }

  lastWords(): readonly string[] {
    return this.#words.lines();
  }

  close(): Promise<void> {
    this.#closing ??= this.#shutDown();
    return this.#closing;
  }

  get #stopSeconds(): number {
    return Math.max(1, Math.ceil((this.#options.closeTimeoutMs ?? CLOSE_TIMEOUT_MS) / 1000));
  }

  #receive(piece: Buffer): void {
    for (const line of this.#lines.push(piece)) this.#deliver(line, undefined);
  }

  #deliver(message: Received, answered: string | undefined): void {
    if (this.#closing === undefined) this.#events?.onMessage(message, answered);
  }

  /** The reason for which the input broke. */
  async #whyBroken(): Promise<GatewayError> {
    const reason = await soon(this.#lost.promise, BROKEN_INPUT_MS);
    if (reason !== undefined) return reason;
    const closed = this.#error('server_unavailable', 'has closed its standard input and cannot be talked to.');
    this.#lose(closed);
    void this.close();
    return closed;
  }

  /** The engine says that the container has ended; its command needs a while longer to see to that. */
  async #died(death: ContainerDeath, ended: Promise<ProcessEnd>): Promise<void> {
    // Why a container did not start is on the stderr of the command, and there a moment later.
    if (isStartFailure(death.status)) return;
    await soon(ended, DEATH_GRACE_MS);
    const end = { status: death.status, signal: undefined };
    if (this.#closing === undefined) this.#lose(this.#exitError(end, { death }));
  }

  /** The process has ended, on its own account or because of `close`. Never rejects. */
  async #ended(end: ProcessEnd): Promise<void> {
    this.#words.end();
    this.#lines.close();
    if (this.#closing === undefined && this.#reason === undefined) this.#lose(await this.#explain(end));
    this.#watched?.release();
    const inGoodOrder = end.status !== undefined && !engineFailed(end.status);
    // `--rm` removes the container before the command ends, unless the command failed or was killed itself.
    if (!inGoodOrder) await this.#remove();
    await this.#network?.release();
  }

  async #explain(end: ProcessEnd): Promise<GatewayError> {
    const { server, host } = this.#options;
    const death =
      this.#watched !== undefined && wasKilled(end.status) ? await soon(this.#watched.died, DEATH_GRACE_MS) : undefined;
    const isImagePresent = engineFailed(end.status)
      ? await soon(hasImage(host.engine, server.container.image), IMAGE_QUESTION_MS)
      : undefined;
    return this.#exitError(end, { death, isImagePresent });
  }

  #exitError(
    end: ProcessEnd,
    known: { death: ContainerDeath | undefined; isImagePresent?: boolean | undefined },
  ): GatewayError {
    const { server, host } = this.#options;
    return exitError({
      server: server.name,
      engine: host.engine.kind,
      image: server.container.image,
      ...end,
      memoryLimit: server.container.resources.memory,
      lastWords: this.#words.lines(),
      outOfMemory: known.death?.outOfMemory,
      imagePresent: known.isImagePresent,
    });
  }

  #lose(reason: GatewayError): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#lost.resolve(reason);
    if (this.#closing === undefined) this.#events?.onClose(reason);
  }

  async #shutDown(): Promise<void> {
    await this.#opening?.catch(() => undefined);
    this.#lose(this.#error('server_unavailable', 'was stopped.'));
    const process = this.#process;
    if (process === undefined) return;
    process.endInput();
    const grace = this.#options.inputClosedGraceMs ?? INPUT_CLOSED_GRACE_MS;
    if ((await soon(process.ended, grace)) === undefined) await this.#stop(process);
    await this.#tidied;
  }

  /** SIGTERM, SIGKILL after the deadline, both by the engine; then by force. */
  async #stop(process: ContainerProcess): Promise<void> {
    const { engine } = this.#options.host;
    for (let attempt = 1; attempt <= STOP_ATTEMPTS; attempt += 1) {
      const found = await stopContainer(engine, this.#name, this.#stopSeconds).catch(() => true);
      if ((await soon(process.ended, found ? COMMAND_GRACE_MS : STOP_INTERVAL_MS)) !== undefined) return;
      if (found) break;
    }
    await this.#remove();
    process.kill();
    await process.ended;
  }

  async #remove(): Promise<void> {
    await removeContainers(this.#options.host.engine, [this.#name]).catch((error: unknown) => {
      this.#notice(
        `may have left the container ${this.#name} behind: ${error instanceof Error ? error.message : String(error)}`,
      );
    });
  }

  #notice(what: string): void {
    this.#options.onNotice?.(`Server "${this.#options.server.name}" ${what}.`);
  }

  #stoppedEarly(): GatewayError {
    return this.#error('server_unavailable', 'was stopped while it was being started.');
  }

  #aborted(signal: CancelSignal | undefined): GatewayError {
    return signal?.reason instanceof GatewayError
      ? signal.reason
      : this.#error('cancelled', 'is no longer wanted by the caller.');
  }

  #error(code: 'server_unavailable' | 'cancelled', what: string): GatewayError {
    const { name } = this.#options.server;
    return new GatewayError(code, `Server "${name}" ${what}`, { server: name });
  }
}

/** What a promise resolves with, or undefined when it rejects or takes longer than so many milliseconds. */
function soon<T>(promise: Promise<T>, milliseconds: number): Promise<T | undefined> {
  return within(promise, milliseconds).catch(() => undefined);
}
