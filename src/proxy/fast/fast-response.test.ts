import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { expect, it, vi } from 'vitest';
import type { ClientResponse } from '../client-response.ts';
import { EventStream } from '../downstream/event-stream.ts';
import { FastResponse } from './fast-response.ts';

/** What a client gets of an answer, as text. */
async function received(answer: (response: FastResponse, socket: Socket) => void): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [socket] = await accepted;
  answer(
    new FastResponse({ socket, encrypted: false, keepAliveSeconds: 5, ending: true, onFinish: () => socket.end() }),
    socket,
  );
  const pieces: Buffer[] = [];
  for await (const piece of client) pieces.push(piece as Buffer);
  server.close();
  return Buffer.concat(pieces).toString('utf8').split('\r\n\r\n').slice(1).join('\r\n\r\n');
}

it.each([
  ['ASCII only', ['one', 'two']],
  ['other characters first', ['hé', 'two']],
  ['other characters last', ['one', '漢字 😀']],
])('the pieces of a stream leave together as one chunk: %s', async (_what, [first = '', second = '']) => {
  const chunk = (text: string): string => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
  const got = await received((response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(first);
    response.write('');
    response.end(second);
  });
  expect(got).toBe(`${chunk(first + second)}0\r\n\r\n`);
});

it('what follows through promises leaves in the same write, and what comes later in one of its own', async () => {
  const writes: string[] = [];
  const answer = async (response: FastResponse, socket: Socket): Promise<void> => {
    const write = vi.spyOn(socket, 'write');
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('one');
    for (let step = 0; step < 20; step++) await Promise.resolve();
    response.write('two');
    await new Promise(setImmediate);
    response.end('three');
    writes.push(...write.mock.calls.map(([piece]) => String(piece)));
  };
  expect(await received((response, socket) => void answer(response, socket))).toContain('three');
  expect(writes).toHaveLength(2);
  expect(writes[0]).toMatch(/one[^]*two/);
});

it('a body of known length leaves as it is, in one piece or in several', async () => {
  const length = Buffer.byteLength('hé and 漢');
  const whole = (response: FastResponse): void => {
    response.writeHead(200, { 'content-length': length });
    response.end('hé and 漢');
  };
  const parts = (response: FastResponse): void => {
    response.writeHead(200, { 'content-length': length });
    response.write('hé');
    response.end(' and 漢');
  };
  expect([await received(whole), await received(parts)]).toEqual(['hé and 漢', 'hé and 漢']);
});

it('nobody waits for what will not leave by itself', async () => {
  let waits: boolean | undefined;
  await received((response) => {
    response.writeHead(200, { 'content-length': 3 });
    waits = response.whenSent(() => undefined);
    response.end('abc');
  });
  expect(waits).toBe(false);
});

it('who waits is told once it has left', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const got = received((response) => {
    response.openEvents('r-1');
    response.write('data: 1\n\n');
    expect(response.whenSent(resolve)).toBe(true);
    void promise.then(() => response.end());
  });
  await promise;
  expect(await got).toBe('9\r\ndata: 1\n\n\r\n0\r\n\r\n');
});

it('more than 16 KiB leaves at once, and what follows in the same turn is one more chunk', async () => {
  const large = 'x'.repeat(17_000);
  const got = await received((response) => {
    response.openEvents('r-1');
    response.write(large);
    response.write('one');
    response.write('two');
    response.end();
  });
  expect(got).toBe(`${(17_000).toString(16)}\r\n${large}\r\n6\r\nonetwo\r\n0\r\n\r\n`);
});

it('bytes follow what was held, each in a chunk of its own', async () => {
  const got = await received((response) => {
    response.openEvents('r-1');
    response.write('data: ');
    response.write(Buffer.from('abc'));
    response.end('\n\n');
  });
  expect(got).toBe('6\r\ndata: \r\n3\r\nabc\r\n2\r\n\n\n\r\n0\r\n\r\n');
});

it('the head of an event stream is the same as with its headers one by one', async () => {
  const heads: string[] = [];
  const head = (begin: (response: FastResponse) => void) =>
    received((response, socket) => {
      const write = vi.spyOn(socket, 'write');
      begin(response);
      response.end('data: 1\n\n');
      heads.push(String(write.mock.calls[0]?.[0]).replace(/\r\nDate: [^\r]*/, ''));
    });
  await head((response) => response.openEvents('r-1'));
  await head((response) => void new EventStream(withoutQuickHead(response), 'r-1'));
  expect(heads[0]).toContain('x-request-id: r-1\r\n');
  expect(heads[0]).toBe(heads[1]);
});

function withoutQuickHead(response: FastResponse): ClientResponse {
  return new Proxy<ClientResponse>(response, {
    get: (target, name) => {
      const member: unknown = name === 'openEvents' ? undefined : Reflect.get(target, name, target);
      return typeof member === 'function' ? (member.bind(target) as unknown) : member;
    },
  });
}
