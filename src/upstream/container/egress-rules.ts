/** Which hosts an allow-list lets pass, and which addresses their names may stand for. Runs inside the proxy's container, too: imports nothing of ours. */
import { BlockList, isIP } from 'node:net';

export interface Target {
  /** Lower case, without brackets and without a dot at its end. */
  readonly host: string;
  readonly port: number;
}

const DEFAULT_PORTS: readonly number[] = [80, 443];

/** What a name may never stand for: the machine itself, its neighbours on the wire, cloud metadata, and what is no single host. */
const NEVER = new BlockList();
/** What only a name that stands in the list as a whole may stand for: networks of a company, and the host beside us. */
const INTERNAL = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
  ['100.100.100.200', 32],
] as const)
  NEVER.addSubnet(network, prefix, 'ipv4');
for (const [network, prefix] of [
  ['::', 128],
  ['::1', 128],
  ['fe80::', 10],
  ['ff00::', 8],
  ['fd00:ec2::', 32],
] as const)
  NEVER.addSubnet(network, prefix, 'ipv6');
for (const [network, prefix] of [
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
] as const)
  INTERNAL.addSubnet(network, prefix, 'ipv4');
INTERNAL.addSubnet('fc00::', 7, 'ipv6');

/** Reads `host:port` or `[v6]:port`; undefined when it is neither. */
export function parseTarget(text: string, defaultPort?: number): Target | undefined {
  const match = /^(?:\[(?<v6>[0-9a-f:.]+)\]|(?<host>[a-z0-9_.-]+))(?::(?<port>\d{1,5}))?$/i.exec(text);
  const host = (match?.groups?.['v6'] ?? match?.groups?.['host'])?.toLowerCase().replace(/\.$/, '');
  const port = match?.groups?.['port'] === undefined ? defaultPort : Number(match.groups['port']);
  if (host === undefined || host === '' || port === undefined || port < 1 || port > 65_535) return undefined;
  return { host, port };
}

/** The entry of the list that lets a target pass; undefined when none does. */
export function allowing(allow: readonly string[], { host, port }: Target): string | undefined {
  return allow.find((entry) => {
    const name = nameOf(entry);
    const isHost = name.startsWith('.') ? host === name.slice(1) || host.endsWith(name) : host === name;
    const written = entry.endsWith(']') ? undefined : /:(\d+)$/.exec(entry)?.[1];
    return isHost && (written === undefined ? DEFAULT_PORTS.includes(port) : port === Number(written));
  });
}

/** Whether an address that a name stands for may be connected to. Addresses that are written in the list themselves may always. */
export function isReachable(entry: string, address: string): boolean {
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
  const plain = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (plain !== undefined) return isReachable(entry, plain);
  if (isIP(nameOf(entry)) !== 0) return address === nameOf(entry);
  if (NEVER.check(address, family)) return false;
  return !entry.startsWith('.') || !INTERNAL.check(address, family);
}

/** The entry without port and brackets. */
function nameOf(entry: string): string {
  const bracketed = /^\[(.+)\]/.exec(entry)?.[1];
  return bracketed ?? entry.replace(/:\d+$/, '');
}
