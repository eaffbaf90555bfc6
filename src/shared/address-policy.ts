/** Which addresses a URL that somebody else has supplied may lead to: those of the public internet, and what an operator has listed. */
import { BlockList, isIP, isIPv4 } from 'node:net';

/** One entry of a list of allowed places. */
export type AllowedPlace =
  /** Every address of the network; `port` undefined = every port. */
  | { readonly kind: 'network'; readonly address: string; readonly prefix: number; readonly port: number | undefined }
  /** Whatever the name stands for. `.suffix` is the name and all below it. */
  | { readonly kind: 'host'; readonly name: string; readonly port: number | undefined };

/** The URL leads to a place that is not allowed; nothing was connected to. */
export class AddressRefusedError extends Error {
  override readonly name = 'AddressRefusedError';
}

/** Reads `10.0.0.0/8`, `127.0.0.1:9000`, `[::1]:9000`, `fd00::/8`, `mcp.internal`, `localhost:9000` or `.corp.example`; undefined for anything else. */
export function parseAllowedPlace(text: string): AllowedPlace | undefined {
  const written = text.trim().toLowerCase();
  const [, network = '', bits = ''] = /^([0-9a-f.:]+)\/(\d{1,3})$/.exec(written) ?? [];
  if (network !== '') {
    const size = addressBits(network);
    return size === 0 || Number(bits) > size
      ? undefined
      : { kind: 'network', address: network, prefix: Number(bits), port: undefined };
  }
  if (isIP(written) !== 0) return { kind: 'network', address: written, prefix: addressBits(written), port: undefined };
  const { v6, host, digits } =
    /^(?:\[(?<v6>[0-9a-f.:]+)\]|(?<host>\.?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*))(?::(?<digits>\d{1,5}))?$/.exec(written)
      ?.groups ?? {};
  const port = digits === undefined ? undefined : Number(digits);
  const name = v6 ?? host;
  if (name === undefined || (port !== undefined && (port < 1 || port > 65_535))) return undefined;
  const size = addressBits(name);
  if (size > 0) return { kind: 'network', address: name, prefix: size, port };
  // What looks like an address and is none, such as 010.0.0.1, must not become a host name that nobody has.
  return v6 !== undefined || /^[\d.]+$/.test(name) ? undefined : { kind: 'host', name, port };
}

/** The list of an operator, ready to be asked. */
export class AddressPolicy {
  readonly #hosts: readonly (AllowedPlace & { readonly kind: 'host' })[];
  readonly #networks: readonly { readonly port: number | undefined; readonly list: BlockList }[];

  constructor(allowed: readonly AllowedPlace[]) {
    this.#hosts = allowed.filter((place) => place.kind === 'host');
    this.#networks = allowed
      .filter((place) => place.kind === 'network')
      .map(({ address, prefix, port }) => {
        const list = new BlockList();
        list.addSubnet(address, prefix, isIPv4(address) ? 'ipv4' : 'ipv6');
        return { port, list };
      });
  }

  /** True when a name may stand for any address, because the operator has listed it. `host` is without brackets. */
  allowsHost(host: string, port: number): boolean {
    const name = host.toLowerCase().replace(/\.$/, '');
    return this.#hosts.some(
      (place) =>
        (place.port === undefined || place.port === port) &&
        (place.name.startsWith('.') ? name === place.name.slice(1) || name.endsWith(place.name) : name === place.name),
    );
  }

  /** Why nothing may be connected to this address; undefined when it may. */
  refusal(address: string, port: number): string | undefined {
    const judged = plainAddress(address);
    const kind = rangeOf(judged);
    if (kind === undefined) return undefined;
    const family = isIPv4(judged) ? 'ipv4' : 'ipv6';
    const isListed = this.#networks.some(
      ({ list, port: only }) => (only === undefined || only === port) && list.check(judged, family),
    );
    return isListed ? undefined : kind;
  }
}

/** Without zone, and an IPv4 address that is written as IPv6 (mapped, or for NAT64) as itself: that is where it leads. */
function plainAddress(address: string): string {
  const [bare = address] = address.split('%');
  const words = isIP(bare) === 6 ? wordsOf(bare) : undefined;
  if (words === undefined) return bare;
  const [a, b, c, d, e, f, g = 0, h = 0] = words;
  const isMapped = a === 0 && b === 0 && c === 0 && d === 0 && e === 0 && f === 0xffff;
  const isTranslated = a === 0x64 && b === 0xff9b && c === 0 && d === 0 && e === 0 && f === 0;
  return isMapped || isTranslated ? [g >> 8, g & 255, h >> 8, h & 255].join('.') : bare;
}

/** The eight 16-bit words of an IPv6 address. */
function wordsOf(address: string): readonly number[] {
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  const [, lead = '', p = '0', q = '0', r = '0', s = '0'] = dotted ?? [];
  const hex = (high: string, low: string): string => ((Number(high) << 8) | Number(low)).toString(16);
  const text = dotted === null ? address : `${lead}${hex(p, q)}:${hex(r, s)}`;
  const [before = '', after] = text.split('::');
  const parse = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((word) => Number.parseInt(word, 16));
  const [left, right] = [parse(before), after === undefined ? [] : parse(after)];
  return [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right];
}

/** What is not the public internet (IANA's registries of special addresses), and what clouds keep for themselves. */
const SPECIAL: readonly (readonly [network: string, prefix: number, kind: string])[] = [
  ['0.0.0.0', 8, 'an address of this host'],
  ['10.0.0.0', 8, 'a private address'],
  ['100.64.0.0', 10, 'an address of a carrier network'],
  ['127.0.0.0', 8, 'a loopback address'],
  ['168.63.129.16', 32, 'an address of cloud metadata'],
  ['169.254.0.0', 16, 'a link-local address, as for cloud metadata'],
  ['172.16.0.0', 12, 'a private address'],
  ['192.0.0.0', 24, 'a reserved address'],
  ['192.0.2.0', 24, 'an address for documentation'],
  ['192.31.196.0', 24, 'a reserved address'],
  ['192.52.193.0', 24, 'a reserved address'],
  ['192.88.99.0', 24, 'an address of a 6to4 relay'],
  ['192.168.0.0', 16, 'a private address'],
  ['192.175.48.0', 24, 'a reserved address'],
  ['198.18.0.0', 15, 'an address for measurements'],
  ['198.51.100.0', 24, 'an address for documentation'],
  ['203.0.113.0', 24, 'an address for documentation'],
  ['224.0.0.0', 4, 'a multicast address'],
  ['240.0.0.0', 4, 'a reserved address'],
  ['::', 128, 'an address of this host'],
  ['::1', 128, 'a loopback address'],
  ['::', 96, 'an obsolete IPv4-compatible address'],
  ['64:ff9b:1::', 48, 'a local NAT64 address'],
  ['fc00::', 7, 'a private address'],
  ['fe80::', 10, 'a link-local address'],
  ['fec0::', 10, 'a private address'],
  ['ff00::', 8, 'a multicast address'],
  ['2001::', 32, 'a Teredo address'],
  ['2001::', 23, 'a reserved address'],
  ['2001:db8::', 32, 'an address for documentation'],
  ['2002::', 16, 'a 6to4 address'],
  ['3fff::', 20, 'an address for documentation'],
];

const RANGES = SPECIAL.map(([network, prefix, kind]) => {
  const list = new BlockList();
  list.addSubnet(network, prefix, isIPv4(network) ? 'ipv4' : 'ipv6');
  return { list, family: isIPv4(network) ? 'ipv4' : 'ipv6', kind };
});

/** Everything that is the public internet in IPv6 so far. */
const GLOBAL_V6 = new BlockList();
GLOBAL_V6.addSubnet('2000::', 3, 'ipv6');

/** What kind of address it is; undefined for those of the public internet. */
function rangeOf(address: string): string | undefined {
  const version = isIP(address);
  if (version === 0) return 'no address';
  const family = version === 4 ? 'ipv4' : 'ipv6';
  const found = RANGES.find((range) => range.family === family && range.list.check(address, family));
  if (found !== undefined) return found.kind;
  return family === 'ipv6' && !GLOBAL_V6.check(address, 'ipv6') ? 'a reserved address' : undefined;
}

function addressBits(address: string): number {
  const version = isIP(address);
  return version === 0 ? 0 : version === 4 ? 32 : 128;
}
