/** TLS session tickets from the side of a client: gets one, and tries to come back with it. */
import { once } from 'node:events';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';

type Options = Pick<ConnectionOptions, 'ca' | 'cert' | 'key' | 'session' | 'maxVersion'>;

/** The ticket that the server gives out after a handshake. */
export async function ticketFor(port: number, options: Options): Promise<Buffer> {
  const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', ...options });
  try {
    const [session] = (await once(socket, 'session')) as [Buffer];
    return session;
  } finally {
    socket.destroy();
  }
}

/** `served, resumed`, `served, full handshake`, or `refused: …`; a request is sent, because TLS 1.3 refuses only then. */
export async function reconnect(port: number, options: Options): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', ...options });
  try {
    await once(socket, 'secureConnect');
    socket.write('GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n');
    const answer = await firstBytes(socket);
    if (!answer.startsWith('HTTP/1.1 200')) return `refused: ${answer.split('\r\n')[0] ?? ''}`;
    return `served, ${socket.isSessionReused() ? 'resumed' : 'full handshake'}`;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return `refused: ${code ?? message}`;
  } finally {
    socket.destroy();
  }
}

async function firstBytes(socket: TLSSocket): Promise<string> {
  return new Promise((resolve, reject) => {
    socket.once('data', (chunk: Buffer) => resolve(chunk.toString()));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('connection closed')));
  });
}
