/** A DNS server of our own whose every answer the test decides, and a way to ask it in place of the system's. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type LookupAddress, Resolver } from 'node:dns';
import { isIPv6 } from 'node:net';
import type { Resolve } from '../../src/upstream/http/guarded-connect.ts';

export interface NameServer extends AsyncDisposable {
  readonly resolve: Resolve;
  /** Names that were asked for, once for each question about IPv4 addresses. */
  readonly asked: readonly string[];
}

const TYPES = { A: 1, AAAA: 28 };

/** `answer` is called with the name and how often it was asked before. */
export async function startNameServer(
  answer: (name: string, before: number) => readonly string[],
): Promise<NameServer> {
  const asked: string[] = [];
  const counts = new Map<string, number>();
  const socket = createSocket('udp4');
  socket.on('message', (query, { address, port }) => {
    const { name, end } = readName(query);
    const type = query.readUInt16BE(end);
    const before = counts.get(`${type} ${name}`) ?? 0;
    counts.set(`${type} ${name}`, before + 1);
    if (type === TYPES.A) asked.push(name);
    const records = answer(name, before)
      .filter((each) => isIPv6(each) === (type === TYPES.AAAA))
      .map((each) => record(type, each));
    const head = Buffer.from(query.subarray(0, 12));
    head.writeUInt16BE(0x8180, 2);
    head.writeUInt16BE(records.length, 6);
    head.fill(0, 8, 12);
    socket.send(Buffer.concat([head, query.subarray(12, end + 4), ...records]), port, address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const resolver = new Resolver({ timeout: 20_000, tries: 1 });
  resolver.setServers([`127.0.0.1:${socket.address().port}`]);
  return {
    asked,
    resolve: (hostname, _options, callback) => {
      resolver.resolve4(hostname, (four, ipv4) => {
        resolver.resolve6(hostname, (six, ipv6) => {
          const found: LookupAddress[] = [
            ...(four === null ? ipv4 : []).map((each) => ({ address: each, family: 4 })),
            ...(six === null ? ipv6 : []).map((each) => ({ address: each, family: 6 })),
          ];
          callback(found.length === 0 ? (four ?? six) : null, found);
        });
      });
    },
    [Symbol.asyncDispose]: async () => {
      resolver.cancel();
      const closed = once(socket, 'close');
      socket.close();
      await closed;
    },
  };
}

function readName(query: Buffer): { readonly name: string; readonly end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += length + 1;
  }
  return { name: labels.join('.').toLowerCase(), end: at + 1 };
}

/** It points back to the name of the question, and must not be remembered. */
function record(type: number, address: string): Buffer {
  const data = isIPv6(address) ? bytesOf(address) : Buffer.from(address.split('.').map(Number));
  const head = Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 0, 0, data.length]);
  return Buffer.concat([head, data]);
}

function bytesOf(address: string): Buffer {
  const [left = '', right = ''] = address.split('::');
  const words = (text: string): number[] =>
    text === '' ? [] : text.split(':').map((word) => Number.parseInt(word, 16));
  const [before, after] = [words(left), words(right)];
  const all = [...before, ...Array.from({ length: 8 - before.length - after.length }, () => 0), ...after];
  return Buffer.from(all.flatMap((word) => [word >> 8, word & 255]));
}
