/** Which certificate a port serves to a new connection. */
import { once } from 'node:events';
import { connect } from 'node:tls';

/** The serial number in upper-case hexadecimal digits. Rejects when no handshake is possible. */
export async function servedSerial(port: number): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', rejectUnauthorized: false });
  try {
    await once(socket, 'secureConnect');
    return socket.getPeerCertificate().serialNumber;
  } finally {
    socket.destroy();
  }
}
