/** Names of the bridges that Docker makes for our networks, by which the packet filter knows them. */
import { createHash } from 'node:crypto';

/** Of networks with a way out, each with the containers of one server. */
export const OPEN_BRIDGE = 'ghs-';
/** Of networks without one, each with a server that has a list of hosts, and its proxy. */
export const CLOSED_BRIDGE = 'ghc-';

/** Linux allows 15 characters. */
const DIGITS = 11;

/** The same for the same network, and different for each: 44 bits of a hash. */
export function bridgeOf(prefix: typeof OPEN_BRIDGE | typeof CLOSED_BRIDGE, network: string): string {
  return `${prefix}${createHash('sha256').update(network).digest('hex').slice(0, DIGITS)}`;
}
