/** Memory is given back when its client has it, and never while somebody may still read it. */
import { createServer, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { HeldAnswerBytes } from '../../shared/answer-budget.ts';
import type { Admitted } from '../exchange.ts';
import { HeldOnWay } from './held-on-way.ts';
import { Reply } from './reply.ts';
import { SseLink } from './sse-link.ts';
import { EventStream } from './event-stream.ts';
import { StreamLog } from './stream-log.ts';

function heldBytes(): HeldAnswerBytes & { readonly ends: string[] } {
  const ends: string[] = [];
  return { ends, sent: () => void ends.push('sent'), [Symbol.dispose]: () => void ends.push('dropped') };
}

describe('the answer that a reply holds', () => {
  let client: Socket;
  let response: ServerResponse;
  let stop = (): void => undefined;

  beforeEach(async () => {
    const server = createServer();
    stop = () => void server.close();
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const asked = new Promise<ServerResponse>((resolve) => server.once('request', (_, given) => resolve(given)));
    client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n');
    client.resume();
    response = await asked;
  });
  afterEach(() => {
    client.destroy();
    stop();
  });

  const replyWith = (held: HeldAnswerBytes): Reply => {
    const reply = new Reply(response, { requestId: 'r', mayStream: true, mayPassOn: true });
    reply.hold(held);
    return reply;
  };

  it('is given back, with its memory, when the client has it', async () => {
    const held = heldBytes();
    replyWith(held).answerPieces([Buffer.from('{}')]);
    expect(held.ends).toEqual([]);
    await expect.poll(() => held.ends).toEqual(['sent']);
  });

  it.each([
    { what: 'another answer', end: (reply: Reply) => reply.answer('{}') },
    { what: 'nothing, because it was cancelled', end: (reply: Reply) => reply.drop(new Error() as never, '1') },
    { what: 'nothing, because it has left', end: () => void client.destroy() },
  ])('keeps its memory for whoever works on it when the client gets $what', async ({ end }) => {
    const held = heldBytes();
    end(replyWith(held));
    await expect.poll(() => held.ends).toEqual(['dropped']);
  });

  it('keeps its memory for a client that comes back for the stream, when the connection is lost on which it was', async () => {
    const held = heldBytes();
    const reply = new Reply(response, { requestId: 'r', mayStream: true, mayPassOn: true, log: new StreamLog() });
    reply.send('{"jsonrpc":"2.0","method":"notifications/message"}');
    reply.hold(held);
    reply.answerPieces([Buffer.from('{}')]);
    await expect.poll(() => held.ends).toEqual(['dropped']);
  });

  it('is given back at once when the reply is over', () => {
    const held = heldBytes();
    const reply = replyWith(heldBytes());
    reply.answer('{}');
    reply.hold(held);
    expect(held.ends).toEqual(['dropped']);
  });
});

describe('an answer on a connection that carries many', () => {
  it('holds nothing any more when another one takes its place: a further round, the next part of a batch', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const asked = new Promise<ServerResponse>((resolve) => server.once('request', (_, given) => resolve(given)));
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    client.write('GET /sse HTTP/1.1\r\nHost: a\r\n\r\n');
    client.resume();
    const response = await asked;
    const admitted = { principal: { subject: 's' }, route: { kind: 'server', server: 'x' } } as unknown as Admitted;
    const reply = new SseLink(new EventStream(response, 'r-1'), admitted).reply(response, 'r-2');
    const [first, second] = [heldBytes(), heldBytes()];
    reply.hold(first);
    reply.hold(second);
    expect(first.ends).toEqual(['dropped']);
    reply.answer('[]');
    await expect.poll(() => second.ends).toEqual(['dropped']);
    client.destroy();
    server.close();
  });
});

describe('HeldOnWay', () => {
  it('tells the end of each once, and drops what is left when the connection is gone', () => {
    const way = new HeldOnWay();
    const [first, second, third, late] = [heldBytes(), heldBytes(), heldBytes(), heldBytes()];
    for (const held of [first, second, third]) way.add(held);
    way.sent(first);
    way.drop(second);
    way.drop(first);
    way[Symbol.dispose]();
    way.sent(third);
    way.add(late);
    expect([first, second, third, late].map(({ ends }) => ends)).toEqual([
      ['sent'],
      ['dropped'],
      ['dropped'],
      ['dropped'],
    ]);
  });
});
