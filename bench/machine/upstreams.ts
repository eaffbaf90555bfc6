/** The servers behind the contenders, each started when it is first wanted: by era, by number of tools, or behind mutual TLS. */
import { createPki, type Pki } from '../../test/rig/pki.ts';
import type { Upstream } from '../contender.ts';
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

  const serve = async (name: string, command: readonly string[]): Promise<void> => {
    const program = start(command, { name: `upstream-${name}`, pinned: pinned(pinning?.rest, pinning) });
    owned.use(program);
    await program.line(/ready/);
    pids.push(program.pid);
  };

  const plain = async ({ era, tools }: UpstreamWish): Promise<Upstream> => {
    const port = await freePort();
    await serve(`${era}-${tools}`, [native('upstream'), 'http', String(port), era, String(tools)]);
    return { port };
  };

  /** The same program: a proxy in front of it would cost the load's processor more than the server does. */
  const behindTls = async ({ era, tools }: UpstreamWish): Promise<Upstream> => {
    const { ca } = thePki();
    const label = `mtls-${era}-${tools}`;
    const [identity, client] = [
      thePki().issue('localhost', { ...NAMES, file: label }),
      thePki().issue('Gateway', { file: `client-${label}` }),
    ];
    const port = await freePort();
    const files = [identity.cert, identity.key, ca.cert];
    await serve(label, [native('upstream-tls'), 'http', String(port), era, String(tools), ...files]);
    return { port, tls: { ca: ca.cert, cert: client.cert, key: client.key } };
  };

  return {
    pids: () => pids,
    get pki() {
      return thePki();
    },
    for(wish) {
      const key = `${wish.wire} ${wish.era} ${wish.tools}`;
      const found = started.get(key) ?? (wish.wire === 'http' ? plain(wish) : behindTls(wish));
      started.set(key, found);
      return found;
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
