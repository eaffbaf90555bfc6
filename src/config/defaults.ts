/** Every default and limit of the configuration, by name. */

/** The specification that this gateway follows, as named in error texts. */
export const SPECIFICATION_VERSION = '1.17.0';

/** Where the specification forbids host commands; quoted in the error text. */
export const CONTAINERIZATION_URL =
  'https://github.com/github/gh-aw/blob/main/docs/src/content/docs/reference/mcp-gateway.md#321-containerization-requirement';

export const DEFAULT_HOST = '127.0.0.1';
export const DEFAULT_PORT = 3000;
export const DEFAULT_DOMAIN = 'localhost';
export const DEFAULT_STARTUP_TIMEOUT_SECONDS = 30;
export const DEFAULT_TOOL_TIMEOUT_SECONDS = 60;
export const MIN_TOOL_TIMEOUT_SECONDS = 10;
export const DEFAULT_CONNECT_TIMEOUT_SECONDS = 30;
export const DEFAULT_KEEPALIVE_SECONDS = 1500;
export const DEFAULT_SESSION_TIMEOUT = '6h';
export const DEFAULT_SHUTDOWN_TIMEOUT = '5s';
export const DEFAULT_MAX_BODY_BYTES = 4 * 1024 * 1024;
export const DEFAULT_MAX_HELD_BODY_BYTES = 256 * 1024 * 1024;
export const MAX_BODY_BYTES_LIMIT = 1024 * 1024 * 1024;
export const DEFAULT_PAYLOAD_SIZE_THRESHOLD = 524_288;

/** Node's timers hold at most 2^31 - 1 milliseconds; longer ones would fire at once. */
export const MAX_TIMER_SECONDS = 2_147_483;

export const DEFAULT_MEMORY_BYTES = 512 * 1024 * 1024;
/** Docker refuses less. */
export const MIN_MEMORY_BYTES = 6 * 1024 * 1024;
export const DEFAULT_CPUS = 1;
export const DEFAULT_PIDS = 256;
export const DEFAULT_OPEN_FILES = 4096;

/** A hundred years. */
export const MAX_AUDIT_DAYS = 36_500;
/** Fewer would be gone before anybody has read them. */
export const MIN_AUDIT_LINES = 1_000;
