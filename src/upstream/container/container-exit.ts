/** Why a container ended, in one sentence for the caller. */
import { constants } from 'node:os';
import { GatewayError } from '../../shared/errors.ts';

export interface ContainerExit {
  readonly server: string;
  readonly image: string;
  readonly engine: 'docker' | 'podman';
  /** Exit status of the engine's command, which is that of the container where there was one; undefined when a signal ended the command. */
  readonly status: number | undefined;
  /** The signal that ended the engine's command itself. */
  readonly signal: string | undefined;
  /** Where the engine's command may have said why there is no container. */
  readonly lastWords: readonly string[];
  /** Bytes. */
  readonly memoryLimit: number;
  /** What the engine said when asked; undefined when it was not asked or did not answer in time. */
  readonly outOfMemory: boolean | undefined;
  /** False when the image is not on this machine; undefined when that was not asked. */
  readonly imagePresent: boolean | undefined;
}

const ENGINE_FAILED = 125;
const NOT_EXECUTABLE = 126;
const NOT_FOUND = 127;
const SIGNAL_BASE = 128;
const SIGKILL_STATUS = SIGNAL_BASE + constants.signals.SIGKILL;

/** Without what the server itself wrote to stderr: that may come from the call of another principal. The log has it. */
export function exitError(exit: ContainerExit): GatewayError {
  const message = `Server "${exit.server}" ${sentence(exit)}`;
  return new GatewayError('server_unavailable', message, { server: exit.server, detail: message });
}

/** What to do about an image that is not there. */
export function missingImage(engine: 'docker' | 'podman', image: string): string {
  return `the image "${image}" is not on this machine and images are never pulled implicitly. Pull it with: ${engine} pull ${image}`;
}

/** True for the status of a process that was killed, by a person, the engine, or the kernel for its use of memory. */
export function wasKilled(status: number | undefined): boolean {
  return status === SIGKILL_STATUS;
}

/** True when there may never have been a running container; the engine's command then says why on stderr. */
export function isStartFailure(status: number | undefined): boolean {
  return status === ENGINE_FAILED || status === NOT_EXECUTABLE || status === NOT_FOUND;
}

/** True when the engine's command has failed itself: the container may not exist, or live on. */
export function engineFailed(status: number | undefined): boolean {
  return status === ENGINE_FAILED;
}

function sentence(exit: ContainerExit): string {
  const { status, signal, image, engine } = exit;
  if (exit.imagePresent === false) {
    return `cannot be started: ${missingImage(engine, image)}`;
  }
  if (signal !== undefined || status === undefined) {
    return `is lost: the ${engine} command that ran it was ended by ${signal ?? 'a signal'}.`;
  }
  if (isStartFailure(status)) return startFailure(exit, status);
  if (exit.outOfMemory === true) {
    return `ran out of memory and was killed: it may use ${mebibytes(exit.memoryLimit)}. Raise \`resources.memory\` if it needs more.`;
  }
  if (wasKilled(status)) {
    const perhaps =
      exit.outOfMemory === undefined
        ? `, by hand or because it went over its memory limit of ${mebibytes(exit.memoryLimit)}`
        : '';
    return `was killed (SIGKILL)${perhaps}.`;
  }
  const name = signalName(status - SIGNAL_BASE);
  if (name !== undefined) return `was ended by ${name} (status ${status}).`;
  return status === 0 ? 'ended by itself (status 0).' : `exited with status ${status}.`;
}

/** What the engine's command complained about, else what its exit status says. */
function startFailure({ engine, image, lastWords }: ContainerExit, status: number): string {
  const prefix = engine === 'docker' ? 'docker: ' : 'Error: ';
  const complaint = lastWords.findLast((line) => line.startsWith(prefix));
  if (complaint !== undefined) {
    const reason = complaint
      .slice(prefix.length)
      .replace(/^Error response from daemon: /, '')
      .trim();
    const hint = reason.includes('container-init')
      ? ' Install the package "catatonit", which podman needs for `--init`.'
      : '';
    return `cannot be started: ${/[.!?]$/.test(reason) ? reason : `${reason}.`}${hint}`;
  }
  if (status === ENGINE_FAILED) {
    return `cannot be started, or was lost by ${engine} (status ${status}); the log has its last lines.`;
  }
  const fault = status === NOT_FOUND ? 'does not exist' : 'cannot be executed';
  return `ended with status ${status}: its command, or one that it runs, ${fault} in the image "${image}". Check \`entrypoint\` and the arguments.`;
}

function signalName(number: number): string | undefined {
  return Object.entries(constants.signals).find(([, value]) => value === number)?.[0];
}

function mebibytes(bytes: number): string {
  return `${Math.round((bytes / 1024 / 1024) * 10) / 10} MiB`;
}
