/** However many large answers wait for clients that do not read them, the gateway holds little of each. */
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
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

describe.each(FORMS)('100 answers of 16 MiB as $form', ({ answer }) => {
  it('take little memory for as long as nobody reads them, and arrive when somebody does', async () => {
    let sent = 0;
    await using server = await startByteServer((call) => answer(call, () => (sent += PIECE.length)));
    await using gateway = await startGateway({ config: { mcpServers: { web: { type: 'http', url: server.url } } } });
    const before = peak(gateway);
    const clients = Array.from({ length: ANSWERS }, () => openCall(gateway));
    await expect.poll(() => server.open, { timeout: 60_000 }).toBe(ANSWERS);
    // Until nobody takes any more.
    for (let last = -1; sent !== last;) {
      last = sent;
      await pause(1_000);
    }
    expect(server.open).toBe(ANSWERS);
    expect(peak(gateway) - before).toBeLessThan(150 * MIB);
    // Three of them read on; the others leave.
    const readers = clients.splice(0, 3).map(
      (client) =>
        new Promise<number>((resolve) => {
          let received = 0;
          let last = '';
          client.on('data', (chunk: Buffer) => {
            received += chunk.length;
            last = (last + chunk.subarray(-END.length).toString('latin1')).slice(-END.length);
            if (last !== END) return;
            client.destroy();
            resolve(received);
          });
        }),
    );
    expect(Math.min(...(await Promise.all(readers)))).toBeGreaterThan(SIZE);
    for (const client of clients) client.destroy();
    await expect.poll(() => server.open).toBe(0);
    expect(peak(gateway) - before).toBeLessThan(150 * MIB);
  });
});
