/** Keeps connections to URLs that somebody else has supplied away from addresses that are not allowed, whatever their names stand for. */
import { lookup, type LookupAddress } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { type Dispatcher, Pool } from 'undici';
import { type AddressPolicy, AddressRefusedError } from '../../shared/address-policy.ts';

/** Finds all addresses of a name; as `dns.lookup` with `all`. */
export type Resolve = (
  hostname: string,
  options: { readonly all: true; readonly family?: number; readonly hints?: number },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

export interface AddressGuard {
  readonly policy: AddressPolicy;
  /** Default: as the system does it. */
  readonly resolve?: Resolve;
}

const REMEDY = 'an operator can allow it in gateway.allowedNetworks';

/**
 * For a host that is an address already: Node looks nothing up then. Throws an AddressRefusedError. False when the host
 * is a name, whose addresses `guardedLookup` must judge.
 */
export function checkLiteral({ policy }: AddressGuard, hostname: string, port: number): boolean {
  if (isIP(hostname) === 0) return false;
  const refusal = policy.refusal(hostname, port);
  if (refusal !== undefined) throw new AddressRefusedError(`${hostname} is ${refusal}; ${REMEDY}`);
  return true;
}

/** Gives only addresses that are allowed. What was judged is what is connected to: there is no second look-up between. */
export function guardedLookup(guard: AddressGuard, port: number): LookupFunction {
  return (hostname, options, callback) => {
    const { family, hints } = options;
    const asked = {
      all: true as const,
      ...(typeof family === 'number' ? { family } : {}),
      ...(hints === undefined ? {} : { hints }),
    };
    (guard.resolve ?? lookup)(hostname, asked, (error, addresses) => {
      if (error !== null) return callback(error, '', 0);
      const isListed = guard.policy.allowsHost(hostname, port);
      const allowed = addresses.filter(({ address }) => isListed || guard.policy.refusal(address, port) === undefined);
      const [first] = allowed;
      if (first === undefined) return callback(refusalOf(guard, hostname, port, addresses), '', 0);
      if (options.all === true) return callback(null, allowed);
      callback(null, first.address, first.family);
    });
  };
}

/** Checks what a socket is really connected to. Throws an AddressRefusedError. */
export function checkPeer({ policy }: AddressGuard, hostname: string, port: number, peer: string | undefined): void {
  if (policy.allowsHost(hostname, port)) return;
  const refusal = peer === undefined ? 'no address' : policy.refusal(peer, port);
  if (refusal !== undefined)
    throw new AddressRefusedError(`${hostname} is at ${peer ?? 'no address'}, ${refusal}; ${REMEDY}`);
}

/** Connections to a proxy that are asked for tunnels to addresses and not to names: what we have judged is where the proxy goes. */
export function guardedTunnels(guard: AddressGuard): (proxy: URL, options: object) => Dispatcher {
  return (proxy, options) => {
    const pool = new Pool(proxy.origin, options);
    const connect: (request: Dispatcher.ConnectOptions) => Promise<Dispatcher.ConnectData> = pool.connect.bind(pool);
    return Object.assign(pool, {
      connect: async (request: Dispatcher.ConnectOptions) =>
        connect({ ...request, path: await allowedTarget(guard, request.path) }),
    });
  };
}

async function allowedTarget(guard: AddressGuard, authority: string): Promise<string> {
  const { hostname, port: written } = new URL(`http://${authority}`);
  // The parser drops the port of its own scheme.
  const port = written === '' ? 80 : Number(written);
  const host = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
  // A listed name may stand for anything, and perhaps only the proxy knows it.
  if (checkLiteral(guard, host, port) || guard.policy.allowsHost(host, port)) return authority;
  const address = await new Promise<string>((resolve, reject) => {
    guardedLookup(guard, port)(host, { all: false }, (error, found) => {
      if (error === null && typeof found === 'string') resolve(found);
      else reject(error ?? new AddressRefusedError(`${host} has no address`));
    });
  });
  return isIP(address) === 6 ? `[${address}]:${port}` : `${address}:${port}`;
}

function refusalOf(
  { policy }: AddressGuard,
  hostname: string,
  port: number,
  addresses: readonly LookupAddress[],
): AddressRefusedError {
  const [first] = addresses;
  if (first === undefined) return new AddressRefusedError(`${hostname} has no address`);
  const kind = policy.refusal(first.address, port) ?? 'not allowed';
  return new AddressRefusedError(`${hostname} stands for ${first.address}, ${kind}; ${REMEDY}`);
}
