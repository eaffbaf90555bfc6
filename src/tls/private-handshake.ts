/** Proves that a context can shake hands before anybody depends on it: both ends are in this process, no socket is opened. */
import type { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { duplexPair } from 'node:stream';
import { connect, type SecureContext, TLSSocket } from 'node:tls';
import { MaterialError } from './material-error.ts';

const TIMEOUT_MS = 5_000;

/**
 * Resolves with the certificate that the context shows. It plays both parts, so that it works as server and as client.
 * Rejects with a MaterialError that names `where`; also when it shows another certificate than `expected`.
 */
export async function privateHandshake(
  context: SecureContext,
  expected: X509Certificate | undefined,
  where: string,
): Promise<X509Certificate> {
  const [near, far] = duplexPair();
  const server = new TLSSocket(near, {
    isServer: true,
    secureContext: context,
    requestCert: true,
    rejectUnauthorized: false,
  });
  // What counts here is that keys and certificates work together; whom to trust is decided on real connections.
  const client = connect({ socket: far, secureContext: context, rejectUnauthorized: false });
  server.on('error', () => undefined);
  try {
    await once(client, 'secureConnect', { signal: AbortSignal.timeout(TIMEOUT_MS) });
    const shown = client.getPeerX509Certificate();
    if (shown === undefined) throw new MaterialError(where, 'no certificate was shown in a trial handshake');
    if (expected !== undefined && shown.fingerprint256 !== expected.fingerprint256) {
      throw new MaterialError(where, 'another certificate was shown in a trial handshake');
    }
    return shown;
  } catch (error) {
    if (error instanceof MaterialError) throw error;
    const reason = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new MaterialError(where, `a trial handshake failed (${reason})`, error);
  } finally {
    client.on('error', () => undefined);
    client.destroy();
    server.destroy();
  }
}
