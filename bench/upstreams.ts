/** The servers behind the contenders: one of each era, and one that demands a client certificate. */
import { createPki } from '../test/rig/pki.ts';
import { startNginx } from './contenders/nginx.ts';
import type { Upstream } from './contender.ts';
import type { Native, Proxies } from './native.ts';
import { freePort, start } from './processes.ts';

export interface Upstreams extends AsyncDisposable {
  readonly pids: readonly number[];
  for(era: 'modern' | 'legacy', wire: 'http' | 'mtls' | 'stdio'): Upstream;
}

export async function startUpstreams(native: Native, proxies: Proxies, cpu: number | undefined): Promise<Upstreams> {
  await using stack = new AsyncDisposableStack();
  const pids: number[] = [];
  const serve = async (era: 'modern' | 'legacy'): Promise<number> => {
    const port = await freePort();
    const command = [native.upstream, 'http', String(port), ...(era === 'modern' ? ['modern'] : [])];
    const program = stack.use(start(command, { name: `upstream-${era}`, cpu }));
    await program.line(/ready/);
    pids.push(program.pid);
    return port;
  };
  const ports = { modern: await serve('modern'), legacy: await serve('legacy') };
  const pki = stack.use(createPki());
  const names = { san: 'DNS:localhost,IP:127.0.0.1' };
  const [server, client] = [
    pki.issue('localhost', { ...names, file: 'server' }),
    pki.issue('Gateway', { file: 'client' }),
  ];
  const tlsPort = await freePort();
  // What demands a certificate stands in front of the same server, on the processor of the load.
  const terminator = stack.use(
    startNginx(
      { proxies, cpu },
      'terminator',
      `
      upstream server { server 127.0.0.1:${ports.modern}; keepalive 512; }
      server {
        listen 127.0.0.1:${tlsPort} ssl backlog=4096;
        ssl_certificate ${server.cert}; ssl_certificate_key ${server.key};
        ssl_client_certificate ${pki.ca.cert}; ssl_verify_client on; ssl_session_cache shared:x:1m;
        keepalive_timeout 3600s;
        location / { proxy_pass http://server; proxy_http_version 1.1; proxy_set_header Connection ""; }
      }`,
    ),
  );
  pids.push(terminator.pid);
  const tls = { ca: pki.ca.cert, cert: client.cert, key: client.key };
  const owned = stack.move();
  return {
    pids,
    for: (era, wire) => (wire === 'mtls' ? { port: tlsPort, tls } : { port: ports[era], tls: undefined }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
