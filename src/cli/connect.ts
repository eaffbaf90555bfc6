/** `gatehouse connect <url>`: an MCP server on stdio that forwards everything to a gateway. */
import { DEFAULT_HEALTH } from '../config/health.ts';
import pino from 'pino';
import type { HttpServerConfig } from '../config/config.ts';
import { registrationOfFile } from '../config/registration.ts';
import { LineReader, toLine } from '../mcp/framing.ts';
import { within } from '../shared/async.ts';
import { letYoungMemoryGrow } from '../shared/young-memory.ts';
import { GithubOidcTokens } from '../upstream/credentials/github-oidc.ts';
import { plainIdentity } from '../tls/upstream-identity.ts';
import { Connector } from '../upstream/http/connector.ts';
import { Outbound } from '../upstream/http/outbound.ts';
import { StreamableHttpTransport } from '../upstream/http/streamable-http-transport.ts';
import { Forwarder } from './connect/forwarder.ts';
import { EXIT_OK } from './exit-codes.ts';
import { UsageError } from './usage-error.ts';

export interface ConnectFlags {
  /** `Name=VARIABLE`: headers whose values are secrets come from the environment. */
  readonly headerFromEnv: readonly string[];
}

const AGENT_ID_VARIABLE = 'MCP_GATEWAY_AGENT_ID';
const CONNECT_TIMEOUT_MS = 10_000;
const MAX_MESSAGE_BYTES = 32 * 1024 * 1024;
/** After stdin has ended the answers that are under way may still come. */
const LAST_ANSWERS_MS = 60_000;

/** Serves until stdin ends or the process is told to stop. Resolves with the exit status. */
export async function connect(url: string, flags: ConnectFlags, env: NodeJS.ProcessEnv): Promise<number> {
  const server = serverOf(url, headersOf(flags, env));
  letYoungMemoryGrow();
  const identity = url.startsWith('https:') ? await plainIdentity() : undefined;
  await using connector = new Connector({ connectTimeoutMs: CONNECT_TIMEOUT_MS, identity });
  const outbound = new Outbound({ server, connector, oidc: new GithubOidcTokens({ connector }) });
  const log = pino({ level: 'silent' });
  const forwarder = new Forwarder({
    connect: () => new StreamableHttpTransport({ outbound, log, maxMessageBytes: MAX_MESSAGE_BYTES }),
    write: (text) => void process.stdout.write(toLine(text)),
    warn: (text) => void process.stderr.write(`gatehouse: ${text}\n`),
  });
  try {
    const stopped = await readStdin((line) => forwarder.take(line));
    if (stopped === 'ended') await within(forwarder.settled(), LAST_ANSWERS_MS).catch(() => undefined);
  } finally {
    await forwarder.close();
  }
  return EXIT_OK;
}

/** Resolves when stdin ends, stdout is gone, or a signal comes. */
async function readStdin(take: (line: string) => void): Promise<'ended' | 'stopped'> {
  const { promise, resolve } = Promise.withResolvers<'ended' | 'stopped'>();
  const lines = new LineReader({
    maxBytes: MAX_MESSAGE_BYTES,
    onDropped: () => void process.stderr.write('gatehouse: a message of more than 32 MiB was dropped\n'),
  });
  const stop = (): void => resolve('stopped');
  process.once('SIGTERM', stop).once('SIGINT', stop);
  process.stdout.once('error', stop);
  process.stdin.on('data', (piece: Buffer) => {
    for (const line of lines.push(piece)) take(line);
  });
  process.stdin.once('end', () => resolve('ended')).once('error', stop);
  const how = await promise;
  process.off('SIGTERM', stop).off('SIGINT', stop);
  process.stdin.pause();
  process.stdin.removeAllListeners('data');
  return how;
}

function headersOf({ headerFromEnv }: ConnectFlags, env: NodeJS.ProcessEnv): Record<string, string> {
  const headers: Record<string, string> = {};
  const agentId = env[AGENT_ID_VARIABLE];
  if (agentId !== undefined && agentId !== '') headers['authorization'] = agentId;
  for (const pair of headerFromEnv) {
    const at = pair.indexOf('=');
    const [name, variable] = [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
    const value = env[variable];
    if (at < 1 || variable === '')
      throw new UsageError([`invalid --header-from-env '${pair}': write it as Name=VARIABLE`]);
    if (value === undefined) throw new UsageError([`--header-from-env ${name}: the variable ${variable} is not set`]);
    headers[name.toLowerCase()] = value;
  }
  return headers;
}

function serverOf(url: string, headers: Readonly<Record<string, string>>): HttpServerConfig {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw new UsageError([`'${url}' is not an http or https URL`]);
  return {
    kind: 'http',
    start: 'boot',
    health: DEFAULT_HEALTH,
    name: 'gateway',
    registration: registrationOfFile('gateway', '--url'),
    url,
    headers,
    query: undefined,
    passthroughHeaders: undefined,
    auth: undefined,
    tls: undefined,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    tools: undefined,
    startupTimeoutMs: CONNECT_TIMEOUT_MS,
    toolTimeoutMs: CONNECT_TIMEOUT_MS,
    registry: undefined,
  };
}
