/** mTLS in front of a plain MCP server: speaks to nobody without a client certificate, and notes for each request whose it was. */
import { readFileSync } from 'node:fs';
import { type IncomingMessage, request as send, type ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { StrictMaterial } from './strict-server.ts';
import { freePort } from '../../scripts/setup/free-port.ts';

export interface StrictFront extends AsyncDisposable {
  /** `https://localhost:<port>` */
  readonly origin: string;
  /** What was done (`tools/call`, `GET /mcp`, …), and the common names of those who did it. */
  readonly seen: ReadonlyMap<string, ReadonlySet<string>>;
  /** The same by the value of the header `X-Server`. */
  readonly seenFor: ReadonlyMap<string, ReadonlySet<string>>;
  /** Handshakes that were refused, such as those without a certificate. */
  readonly refused: number;
  forget(): void;
  /** Uses other files for connections to come; those that are open end. */
  renew(material: StrictMaterial): void;
  /** Cuts every connection and takes no more, or takes them again. */
  vanish(): Promise<void>;
  comeBack(): Promise<void>;
}

/** `target` is the origin of the plain server. */
export async function startStrictFront(material: StrictMaterial, target: string): Promise<StrictFront> {
  const seen = new Map<string, Set<string>>();
  const seenFor = new Map<string, Set<string>>();
  let refused = 0;
  let current = material;
  let server: Server | undefined;
  // Nobody else gets it while the front is away.
  const port = await freePort();
  const sockets = new Set<Socket>();
  const open = async (): Promise<void> => {
    const made = createServer({ ...read(current), requestCert: true, rejectUnauthorized: true }, (request, response) =>
      pass(request, response, target, (what) => {
        const { CN } = (request.socket as TLSSocket).getPeerCertificate().subject;
        note(seen, what, String(CN));
        note(seenFor, String(request.headers['x-server']), String(CN));
      }),
    );
    made.on('tlsClientError', () => (refused += 1));
    made.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
    });
    await new Promise<void>((resolve, reject) => {
      made.once('error', reject);
      made.listen(port, '127.0.0.1', resolve);
    });
    server = made;
  };
  const close = async (): Promise<void> => {
    const closing = server;
    if (closing === undefined) return;
    server = undefined;
    const closed = new Promise((resolve) => closing.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  await open();
  return {
    origin: `https://localhost:${port}`,
    seen,
    seenFor,
    get refused() {
      return refused;
    },
    forget: () => seen.clear(),
    renew(next) {
      current = next;
      server?.setSecureContext(read(next));
      for (const socket of sockets) socket.destroy();
    },
    vanish: close,
    comeBack: open,
    [Symbol.asyncDispose]: close,
  };
}

function pass(request: IncomingMessage, response: ServerResponse, target: string, seen: (what: string) => void): void {
  const path = request.url ?? '/';
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const body = Buffer.concat(chunks);
    seen(methodOf(body) ?? `${request.method ?? ''} ${path.split('?', 1)[0] ?? ''}`);
    const { host: _ours, ...headers } = request.headers;
    const onward = send(new URL(path, target), { method: request.method, headers, agent: false }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      response.flushHeaders();
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    onward.end(body);
  });
}

/** The method of a JSON-RPC request; `response` for an answer. */
function methodOf(body: Buffer): string | undefined {
  if (body.length === 0) return undefined;
  const { method } = JSON.parse(body.toString()) as { readonly method?: string };
  return method ?? 'response';
}

function note(seen: Map<string, Set<string>>, what: string, peer: string): void {
  const peers = seen.get(what) ?? new Set<string>();
  peers.add(peer);
  seen.set(what, peers);
}

function read({ cert, key, ca }: StrictMaterial): { cert: Buffer; key: Buffer; ca: Buffer } {
  return { cert: readFileSync(cert), key: readFileSync(key), ca: readFileSync(ca) };
}
