/** Asks the live port which certificate it serves: what counts is what clients see, not what was set. */
import type { AddressInfo } from 'node:net';
import { duplexPair } from 'node:stream';
import { connect, type Server, type TLSSocket } from 'node:tls';

const TIMEOUT_MS = 5_000;

/** Resolves with the SHA-256 fingerprint. `onConnect` is told the local port before the handshake begins. */
export async function servedFingerprint(
  { address, port, family }: AddressInfo,
  onConnect: (localPort: number) => void,
): Promise<string | undefined> {
  const any = family === 'IPv6' ? '::1' : '127.0.0.1';
  const host = address === '0.0.0.0' || address === '::' ? any : address;
  // TLS 1.3: the handshake is complete for us before the server looks at the client certificate that we do not have.
  const socket = connect({ host, port, ...HELLO });
  socket.once('connect', () => onConnect(socket.localPort ?? 0));
  return answerOn(socket);
}

/** The same without the port: the server gets a connection whose other end is here. */
export async function fingerprintOf(server: Server): Promise<string | undefined> {
  const [near, far] = duplexPair();
  near.on('error', () => undefined);
  server.emit('connection', near);
  try {
    return await answerOn(connect({ socket: far, ...HELLO }));
  } finally {
    near.destroy();
  }
}

const HELLO = { minVersion: 'TLSv1.3', rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] } as const;

async function answerOn(socket: TLSSocket): Promise<string | undefined> {
  const answered = Promise.withResolvers<string | undefined>();
  const timer = setTimeout(() => answered.reject(new Error('the live port did not answer in time')), TIMEOUT_MS);
  socket.once('secureConnect', () => answered.resolve(socket.getPeerX509Certificate()?.fingerprint256));
  socket.on('error', (error) => answered.reject(error));
  try {
    return await answered.promise;
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}
