/** However many large answers wait for clients that hardly read them, the gateway holds little of each. */
import { readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { startGateway, type RunningGateway } from '../../rig/gateway.ts';
import { startByteServer, type ByteCall } from './byte-server.ts';
import { openCall } from './open-call.ts';

const MIB = 1024 * 1024;
const ANSWERS = 100;
const SIZE = 16 * MIB;
/** Of an answer in chunks. */
const END = '0\r\n\r\n';
const PIECE = Buffer.alloc(64 * 1024, 'x');
/** What each client reads from time to time: who reads nothing for half a minute is cut off. */
const SIP = 256 * 1024;
const SIP_EVERY_MS = 3_000;

/** Sends `SIZE` bytes, as fast as they are taken; `sent` is told of each piece. */
function pump(response: ServerResponse, sent: () => void, end: string): void {
  let left = SIZE / PIECE.length;
  const more = (): void => {
    for (; left > 0; left--) {
      sent();
      if (response.write(PIECE)) continue;
      left--;
      response.once('drain', more);
      return;
    }
    response.end(end);
  };
  more();
}

const FORMS: readonly { form: string; answer: (call: ByteCall, sent: () => void) => void }[] = [
  {
    form: 'JSON',
    answer({ response }, sent) {
      response.writeHead(200, { 'content-type': 'application/json' }).write('{"result":{"text":"');
      pump(response, sent, '"},"jsonrpc":"2.0"}');
    },
  },
  {
    form: 'event',
    answer({ id, response }, sent) {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(`data: {"jsonrpc":"2.0","id":${id},"result":{"text":"`);
      pump(response, sent, '"}}\n\n');
    },
  },
];

/** Largest memory that the process ever had, in bytes. */
function peak({ pid }: RunningGateway): number {
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}

interface Reader {
  /** Bytes so far. */
  readonly received: number;
  /** Resolves with the bytes of the answer when it is complete. */
  readonly whole: Promise<number>;
  /** Lets it read so many bytes, and then no more. */
  allow(bytes: number): void;
  leave(): void;
}

/** Calls, and reads only what it is allowed. */
function startReader(gateway: RunningGateway): Reader {
  const socket = openCall(gateway);
  const { promise: whole, resolve } = Promise.withResolvers<number>();
  let received = 0;
  let allowed = SIP;
  let last = '';
  socket.on('data', (chunk: Buffer) => {
    received += chunk.length;
    last = (last + chunk.subarray(-END.length).toString('latin1')).slice(-END.length);
    if (last === END) {
      socket.destroy();
      resolve(received);
    } else if (received >= allowed) socket.pause();
  });
  return {
    get received() {
      return received;
    },
    whole,
    allow(bytes) {
      allowed = received + bytes;
      socket.resume();
    },
    leave: () => void socket.destroy(),
  };
}

describe.each(FORMS)('100 answers of 16 MiB as $form', ({ answer }) => {
  it('take little memory for as long as hardly anybody reads them, and arrive when somebody does', async () => {
    let begun = 0;
    let cut = 0;
    let sent = 0;
    await using server = await startByteServer((call) => {
      begun++;
      // A client that reads nothing does not even notice.
      call.response.once('close', () => (cut += call.response.writableFinished ? 0 : 1));
      answer(call, () => (sent += PIECE.length));
    });
    await using gateway = await startGateway({ config: { mcpServers: { web: { type: 'http', url: server.url } } } });
    const before = peak(gateway);
    const clients = Array.from({ length: ANSWERS }, () => startReader(gateway));
    let sipped = performance.now();
    let most = -1;
    // Until all are there and nobody takes any more than is read.
    const state = (): object => {
      const waiting = sent - clients.reduce((sum, { received }) => sum + received, 0);
      const growing = waiting > most;
      most = Math.max(most, waiting);
      if (performance.now() - sipped > SIP_EVERY_MS) {
        sipped = performance.now();
        for (const client of clients) client.allow(SIP);
      }
      return { begun, growing, cut };
    };
    await expect.poll(state, { timeout: 120_000, interval: 1_000 }).toEqual({ begun: ANSWERS, growing: false, cut: 0 });
    expect(most).toBeGreaterThan(ANSWERS * MIB);
    expect(peak(gateway) - before).toBeLessThan(150 * MIB);
    // Three of them read on; the others leave.
    const readers = clients.splice(0, 3);
    for (const reader of readers) reader.allow(Infinity);
    expect(Math.min(...(await Promise.all(readers.map(({ whole }) => whole))))).toBeGreaterThan(SIZE);
    for (const client of clients) client.leave();
    await expect.poll(() => server.open).toBe(0);
    expect(peak(gateway) - before).toBeLessThan(150 * MIB);
  }, 300_000);
});
