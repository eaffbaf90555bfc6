/** How the variables of a container get into it without standing in an argument list or steering the engine's own command. */
import { GatewayError } from '../../shared/errors.ts';

export interface ContainerEnvironment {
  /** Variables that the engine's command is given and hands on by name (`--env=NAME`). Secret. */
  readonly inherited: Readonly<Record<string, string>>;
  /** Lines `NAME=value` of the file named by `--env-file`, for names that the command itself would obey; undefined = none. Secret. */
  readonly file: string | undefined;
}

/** Given to every container unless it says otherwise: plain, unbuffered output keeps the message stream clean. */
const DEFAULTS: Readonly<Record<string, string>> = { NO_COLOR: '1', TERM: 'dumb', PYTHONUNBUFFERED: '1' };

/** Stricter than the engines: podman reads `NAME*` as a pattern and puts its own variables into the container. */
const NAME = /^[A-Za-z_][A-Za-z0-9_.-]*$/;

/**
 * Names that docker or podman, their Go runtime, the C library, a helper program that they start (ssh, a credential
 * helper, a network or OCI runtime), or a wrapper script in their place may read. With one of these a server's
 * configuration would choose another daemon, load another library, or send what the daemon is told through a proxy.
 * A name too many costs nothing: its value travels by the file instead.
 */
const STEERING = new RegExp(
  `^(?:${[
    // The engines.
    'DOCKER_.*|BUILDX?_.*|BUILDKIT_.*|BUILDAH_.*|COMPOSE_.*|MOBY_.*',
    '_?PODMAN_.*|_?CONTAINERS?_.*|_?CONTAINERD_.*|CONTAINERS?|CNI_.*|NETAVARK_.*|CRUN_.*|RUNC_.*|STORAGE_.*|REGISTR(?:Y|IES)_.*|GPG.*|OCI_.*',
    'LISTEN_.*|NOTIFY_SOCKET|DBUS_.*|SYSTEMD_.*|JOURNAL_STREAM|INVOCATION_ID|OTEL_.*',
    // Where programs, libraries, settings and temporary files are found.
    'PATH|HOME|USER|LOGNAME|SHELL|PWD|OLDPWD|HOSTNAME|TMPDIR|TMP|TEMP|TEMPDIR|XDG_.*|LD_.*|DYLD_.*|GLIBC_.*|MALLOC_.*|GCONV_PATH|LOCPATH|NLSPATH|LC_.*|LANG|LANGUAGE|TZ|TZDIR|ZONEINFO',
    // Name resolution, proxies, trust.
    'HOSTALIASES|LOCALDOMAIN|RES_OPTIONS|RESOLV_.*|(?:[A-Z]+_)?PROXY|REQUEST_METHOD|SSL_.*|SSLKEYLOGFILE|OPENSSL_.*|SSH_.*|GIT_.*',
    // The Go runtime and other interpreters.
    'GO(?:DEBUG|GC|MAXPROCS|MEMLIMIT|TRACEBACK|RACE|COVERDIR|ROOT|PATH|FLAGS|FIPS.*)|CGO_.*',
    'ENV|BASH.*|SHELLOPTS|IFS|PS4|CDPATH|NODE_.*|PYTHON(?!UNBUFFERED$).*|PERL.*|RUBY.*|JAVA_TOOL_OPTIONS|_JAVA_OPTIONS|_',
  ].join('|')})$`,
  'i',
);

/** The longest line that docker reads from such a file is 64 KiB (Go's bufio.Scanner). */
const LONGEST_LINE_BYTES = 60 * 1024;
/** The longest variable that Linux hands to a new process is 128 KiB, name and NUL included. */
const LONGEST_VARIABLE_BYTES = 128 * 1024 - 1;

/** True when the engine's command might obey a variable of this name. */
export function isSteering(name: string): boolean {
  return STEERING.test(name);
}

/**
 * Sorts the variables of a server by the way that they take. No error text ever holds a value.
 * Throws GatewayError `server_unavailable` for one that no way can carry.
 */
export function containerEnvironment(server: string, env: Readonly<Record<string, string>>): ContainerEnvironment {
  // Without a prototype, so that even a variable named `__proto__` is only a variable.
  const inherited = Object.create(null) as Record<string, string>;
  const lines: string[] = [];
  for (const [name, value] of Object.entries({ ...DEFAULTS, ...env })) {
    if (!NAME.test(name)) throw refusal(server, name, 'is not a name of letters, digits and underscores');
    if (value.includes('\0')) throw refusal(server, name, 'holds a NUL character');
    const bytes = Buffer.byteLength(name) + Buffer.byteLength(value) + 1;
    if (!isSteering(name)) {
      if (bytes > LONGEST_VARIABLE_BYTES) throw refusal(server, name, 'is longer than 128 KiB');
      inherited[name] = value;
    } else if (/[\r\n]/.test(value)) {
      throw refusal(server, name, 'holds a newline, which a variable that the engine itself might read cannot have');
    } else if (bytes > LONGEST_LINE_BYTES) {
      throw refusal(
        server,
        name,
        'is longer than 60 KiB, which a variable that the engine itself might read cannot be',
      );
    } else {
      lines.push(`${name}=${value}\n`);
    }
  }
  return { inherited, file: lines.length === 0 ? undefined : lines.join('') };
}

function refusal(server: string, name: string, why: string): GatewayError {
  const shown = name.slice(0, 80).replaceAll(/[^\x20-\x7e]/g, '?');
  const message = `Server "${server}" cannot be started: the variable "${shown}" ${why}.`;
  return new GatewayError('server_unavailable', message, { server, detail: message });
}
