/**
 * The program of the egress proxy: a forward proxy that lets only listed hosts pass, in a container between the
 * server's closed network and one with a way out. Imports nothing but Node and its rules, because it is all that its
 * image holds. Arguments: the allow-list. It ends when its standard input does, so a gateway that dies takes it along.
 */
import { Resolver } from 'node:dns/promises';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, isIP, type Socket } from 'node:net';
import { pipeline } from 'node:stream';
import { allowing, isReachable, parseTarget, type Target } from './egress-rules.ts';

export interface EgressProxyOptions {
  readonly allow: readonly string[];
  /** Addresses of a name. Rejects when it has none. */
  readonly resolve: (host: string) => Promise<readonly string[]>;
  /** One line for each refusal: what was asked for and why it was not given. */
  readonly onRefused: (line: string) => void;
}

const CONNECT_TIMEOUT_MS = 10_000;
const IDLE_TIMEOUT_MS = 10 * 60_000;
const MAX_CONNECTIONS = 512;
/** Meant for one hop only (RFC 9110, section 7.6.1), or for us alone. */
const HOP_BY_HOP = [
  'connection',
  'proxy-connection',
  'keep-alive',
  'proxy-authorization',
  'proxy-authenticate',
  'te',
  'trailer',
  'upgrade',
];

/** A proxy that was not bound yet. */
export function createEgressProxy(options: EgressProxyOptions): ReturnType<typeof createServer> {
  const server = createServer((incoming, outgoing) => void forward(options, incoming, outgoing));
  server.maxConnections = MAX_CONNECTIONS;
  server.on('connect', (incoming, socket: Socket, head: Buffer) => void tunnel(options, incoming, socket, head));
  server.on('clientError', (_error, socket) => socket.destroy());
  return server;
}

/** CONNECT host:port: bytes pass in both directions and are not looked at. */
async function tunnel(
  options: EgressProxyOptions,
  incoming: IncomingMessage,
  client: Socket,
  head: Buffer,
): Promise<void> {
  client.on('error', () => client.destroy());
  const target = parseTarget(incoming.url ?? '');
  const found = await addressFor(options, target, incoming.url ?? '');
  if (!found.ok) {
    client.end(
      `HTTP/1.1 ${found.status} Refused\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n${found.reason}\n`,
    );
    return;
  }
  const remote = connect({ host: found.address, port: found.port });
  remote.setTimeout(CONNECT_TIMEOUT_MS, () => remote.destroy(new Error('timeout')));
  remote.once('connect', () => {
    remote.setTimeout(IDLE_TIMEOUT_MS);
    client.write('HTTP/1.1 200 Connection established\r\n\r\n');
    if (head.length > 0) remote.write(head);
    pipeline(client, remote, client, () => {
      client.destroy();
      remote.destroy();
    });
  });
  remote.once('error', () => {
    if (remote.connecting || remote.bytesRead === 0)
      client.end('HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n\r\n');
    else client.destroy();
  });
  client.once('close', () => remote.destroy());
}

/** `GET http://host/path`: one request goes on, with the host that its target names and no other. */
async function forward(
  options: EgressProxyOptions,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const url = URL.canParse(incoming.url ?? '') ? new URL(incoming.url ?? '') : undefined;
  const target = url?.protocol === 'http:' ? parseTarget(url.host, 80) : undefined;
  const found = await addressFor(options, target, (incoming.url ?? '').slice(0, 200));
  if (!found.ok || url === undefined) {
    const [status, reason] = found.ok ? [400, 'not an address'] : [found.status, found.reason];
    outgoing.writeHead(status, { 'content-type': 'text/plain', connection: 'close' }).end(`${reason}\n`);
    return;
  }
  const headers = Object.fromEntries(Object.entries(incoming.headers).filter(([name]) => !HOP_BY_HOP.includes(name)));
  const remote = request({
    host: found.address,
    port: found.port,
    method: incoming.method,
    path: `${url.pathname}${url.search}`,
    // The front of a site chooses by this name: it must be the one that was checked.
    headers: { ...headers, host: url.host },
    agent: false,
    timeout: CONNECT_TIMEOUT_MS,
  });
  remote.once('socket', (socket) => socket.once('connect', () => remote.setTimeout(IDLE_TIMEOUT_MS)));
  remote.once('timeout', () => remote.destroy(new Error('timeout')));
  remote.once('response', (answer) => {
    const passed = Object.fromEntries(Object.entries(answer.headers).filter(([name]) => !HOP_BY_HOP.includes(name)));
    outgoing.writeHead(answer.statusCode ?? 502, passed);
    pipeline(answer, outgoing, () => undefined);
  });
  remote.once('error', () => {
    if (outgoing.headersSent) outgoing.destroy();
    else outgoing.writeHead(502, { connection: 'close' }).end();
  });
  outgoing.once('close', () => remote.destroy());
  pipeline(incoming, remote, () => undefined);
}

type Found =
  | { readonly ok: true; readonly address: string; readonly port: number }
  | { readonly ok: false; readonly status: number; readonly reason: string };

/** The one address that is connected to: the name is resolved once, so that it cannot mean something else a moment later. */
async function addressFor(
  { allow, resolve, onRefused }: EgressProxyOptions,
  target: Target | undefined,
  asked: string,
): Promise<Found> {
  const shown = asked.replaceAll(/[^\x21-\x7e]/g, '?').slice(0, 200);
  const refuse = (status: number, why: string): Found => {
    onRefused(`refused ${shown}: ${why}`);
    return { ok: false, status, reason: `Gatehouse lets this server reach only listed hosts: ${why}.` };
  };
  if (target === undefined) return refuse(400, 'it is not the address of a host');
  const entry = allowing(allow, target);
  if (entry === undefined) return refuse(403, `${target.host}:${target.port} is not in the list "network.allow"`);
  if (isIP(target.host) !== 0) return { ok: true, address: target.host, port: target.port };
  const addresses = await resolve(target.host).catch(() => []);
  const address = addresses.find((candidate) => isReachable(entry, candidate));
  if (address !== undefined) return { ok: true, address, port: target.port };
  if (addresses.length === 0) return refuse(502, `${target.host} has no address`);
  return refuse(403, `${target.host} stands for an address inside, which its entry does not cover`);
}

/** Asks the name servers of the container, and no file of hosts. */
async function resolveByDns(host: string): Promise<readonly string[]> {
  const resolver = new Resolver({ timeout: 3000, tries: 2 });
  const answers = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
  return answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
}

/** Where the proxy listens inside its container. */
export const EGRESS_PORT = 3128;
/** What it writes to stdout when it listens. */
export const EGRESS_READY = 'ready';

if (import.meta.main) {
  const proxy = createEgressProxy({
    allow: process.argv.slice(2),
    resolve: resolveByDns,
    onRefused: (line) => process.stderr.write(`${line}\n`),
  });
  proxy.listen(EGRESS_PORT, '0.0.0.0', () => process.stdout.write(`${EGRESS_READY}\n`));
  process.stdin.resume();
  process.stdin.once('end', () => process.exit(0));
  process.stdin.once('error', () => process.exit(0));
}
