/** Places in a network of three: where the gateway must never go, where it may, and a proxy between. */
import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { freePort, isFree } from '../../scripts/setup/free-port.ts';

export interface ForbiddenPlace extends AsyncDisposable {
  /** The same on 127.0.0.1 and on ::1. */
  readonly port: number;
  /** Connections of any kind: there must be none. */
  readonly connections: number;
}

/** What stands for an internal service: all it does is to notice who came. */
export async function startForbiddenPlace(): Promise<ForbiddenPlace> {
  let connections = 0;
  const listen = async (host: string, port: number): Promise<Server> => {
    const server = createServer((socket) => {
      connections += 1;
      socket.on('error', () => undefined);
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\nsecret'));
    });
    server.listen({ host, port, ipv6Only: host === '::1' });
    await once(server, 'listening');
    return server;
  };
  // A port of those that systems do not hand out: nobody comes by mistake, for a server that had it before.
  const port = await freePortOnBoth();
  const four = await listen('127.0.0.1', port);
  const six = await listen('::1', port);
  return {
    port,
    get connections() {
      return connections;
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all([closed(four), closed(six)]);
    },
  };
}

async function freePortOnBoth(): Promise<number> {
  for (;;) {
    const port = await freePort('127.0.0.1');
    if (await isFree('::1', port)) return port;
  }
}

export interface AllowedPlace extends AsyncDisposable {
  readonly port: number;
  /** Paths that were asked for. */
  readonly requests: readonly string[];
}

/** An HTTP server on 127.0.0.2, which stands for the public internet. */
export async function startAllowedPlace(answer: RequestListener, port = 0): Promise<AllowedPlace> {
  const requests: string[] = [];
  const server = createHttpServer((request, response) => {
    requests.push(request.url ?? '');
    answer(request, response);
  });
  server.listen(port, '127.0.0.2');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    requests,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await closed(server);
    },
  };
}

export interface TunnelProxy extends AsyncDisposable {
  readonly url: string;
  /** What it was asked for: `CONNECT host:port`, or `METHOD url`. */
  readonly requests: readonly string[];
}

/** A proxy that opens whatever tunnel it is asked for. */
export async function startTunnelProxy(): Promise<TunnelProxy> {
  const requests: string[] = [];
  const sockets = new Set<Socket>();
  const server = createHttpServer((request, response) => {
    requests.push(`${request.method ?? ''} ${request.url ?? ''}`);
    response.writeHead(502).end();
  });
  server.on('connect', (request, near: Socket) => {
    requests.push(`CONNECT ${request.url ?? ''}`);
    const { hostname, port } = new URL(`http://${request.url ?? ''}`);
    const far = connect(Number(port), hostname, () => {
      near.write('HTTP/1.1 200 Connection established\r\n\r\n');
      near.pipe(far).pipe(near);
    });
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
      socket.on('error', () => {
        near.destroy();
        far.destroy();
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.closeAllConnections();
      await closed(server);
    },
  };
}

async function closed(server: Server): Promise<void> {
  await new Promise((resolve) => server.close(resolve));
}
