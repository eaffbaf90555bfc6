/** The servers behind the contenders, each started when it is first wanted: by era, by number of tools, or behind mutual TLS. */
import { createPki, type Pki } from '../../test/rig/pki.ts';
import type { Upstream } from '../contender.ts';
import { startNginx } from '../contenders/nginx.ts';
import { native } from './native.ts';
import { pinned, type Pinning } from './pinning.ts';
import { freePort, start } from './processes.ts';

export interface UpstreamWish {
  readonly era: 'modern' | 'legacy';
  readonly wire: 'http' | 'mtls';
  readonly tools: number;
}

export interface Upstreams extends AsyncDisposable {
  /** All that were started so far. */
  pids(): readonly number[];
  for(wish: UpstreamWish): Promise<Upstream>;
  readonly pki: Pki;
  /** Files for a listener on localhost. */
  certificate(kind: 'ec' | 'rsa'): { readonly cert: string; readonly key: string };
}

const NAMES = { san: 'DNS:localhost,IP:127.0.0.1' };
const RSA_BITS = 2048;

export function openUpstreams(pinning: Pinning | undefined): Upstreams {
  const owned = new AsyncDisposableStack();
  const pids: number[] = [];
  const started = new Map<string, Promise<Upstream>>();
  const certificates = new Map<string, { readonly cert: string; readonly key: string }>();
  let pki: Pki | undefined;
  const thePki = (): Pki => (pki ??= owned.use(createPki()));

  const plain = async (era: string, tools: number): Promise<Upstream> => {
    const port = await freePort();
    const command = [native('upstream'), 'http', String(port), era, String(tools)];
    const program = start(command, { name: `upstream-${era}-${tools}`, pinned: pinned(pinning?.rest, pinning) });
    owned.use(program);
    await program.line(/ready/);
    pids.push(program.pid);
    return { port };
  };

  /** What demands a certificate stands in front of the plain one, on the processor of the load. */
  const behindTls = async (era: string, server: Upstream): Promise<Upstream> => {
    const { ca } = thePki();
    const [identity, client] = [
      thePki().issue('localhost', { ...NAMES, file: `mtls-${era}` }),
      thePki().issue('Gateway', { file: `client-${era}` }),
    ];
    const port = await freePort();
    const terminator = startNginx(
      { cpu: pinning?.rest, pinning, label: `terminator-${era}` },
      `
      upstream server { server 127.0.0.1:${server.port}; keepalive 512; }
      server {
        listen 127.0.0.1:${port} ssl backlog=4096;
        ssl_certificate ${identity.cert}; ssl_certificate_key ${identity.key};
        ssl_client_certificate ${ca.cert}; ssl_verify_client on; ssl_session_cache shared:x:1m;
        keepalive_timeout 3600s;
        location / { proxy_pass http://server; proxy_http_version 1.1; proxy_set_header Connection ""; }
      }`,
    );
    owned.use(terminator);
    pids.push(terminator.pid);
    return { port, tls: { ca: ca.cert, cert: client.cert, key: client.key } };
  };

  const wanted = (key: string, make: () => Promise<Upstream>): Promise<Upstream> => {
    const found = started.get(key) ?? make();
    started.set(key, found);
    return found;
  };
  const plainFor = (era: string, tools: number): Promise<Upstream> =>
    wanted(`${era} ${tools}`, () => plain(era, tools));

  return {
    pids: () => pids,
    get pki() {
      return thePki();
    },
    for: async ({ era, wire, tools }) => {
      const server = await plainFor(era, tools);
      return wire === 'http' ? server : wanted(`mtls ${era} ${tools}`, () => behindTls(era, server));
    },
    certificate(kind) {
      const found =
        certificates.get(kind) ??
        thePki().issue('localhost', {
          ...NAMES,
          file: `listener-${kind}`,
          ...(kind === 'rsa' ? { rsaBits: RSA_BITS } : {}),
        });
      certificates.set(kind, found);
      return found;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
