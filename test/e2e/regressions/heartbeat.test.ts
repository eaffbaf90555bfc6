/** The heartbeat of answers that are long in coming, over real connections and with a short interval. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { Heartbeat } from '../../../src/proxy/downstream/heartbeat.ts';
import { Reply } from '../../../src/proxy/downstream/reply.ts';
import { GatewayError } from '../../../src/shared/errors.ts';
import { serve } from './serve.ts';

const INTERVAL_MS = 50;
const PATIENT = { requestId: 'r', mayStream: true };

/** Resolves after so many beats: the probe is called behind everything that was added before it. */
async function beats(heartbeat: Heartbeat, count: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let left = count;
  const probe = { beat: () => void (--left <= 0 && resolve()) };
  heartbeat.add(probe);
  await promise;
  heartbeat.remove(probe);
}

it('an error answered behind a slow call on one connection is not beaten, and both answers arrive whole', async () => {
  const failures: string[] = [];
  using heartbeat = new Heartbeat(INTERVAL_MS, pino({}, { write: (line: string) => failures.push(line) }));
  const replies: Reply[] = [];
  const bothCame = Promise.withResolvers<void>();
  await using server = await serve((request, response) => {
    const reply = new Reply(response, PATIENT);
    reply.keepAlive(heartbeat);
    replies.push(reply);
    // Node holds back the head of the second answer until the first one has ended.
    if (request.url === '/refused') {
      reply.fail(new GatewayError('invalid_request', 'refused'), '2');
      bothCame.resolve();
    }
  });
  const socket = connect(server.port, '127.0.0.1');
  let text = '';
  socket.setEncoding('utf8').on('data', (piece: string) => (text += piece));
  const head = 'HTTP/1.1\r\nhost: localhost\r\n';
  socket.write(`GET /slow ${head}\r\nGET /refused ${head}connection: close\r\n\r\n`);
  await bothCame.promise;
  await beats(heartbeat, 4);
  replies[0]?.answer('{"id":1}');
  await once(socket, 'close');
  expect(text).toMatch(/200 OK[^]*: keep-alive[^]*data: {"id":1}[^]*400 Bad Request[^]*"id":2,"error"/);
  expect(text.slice(text.indexOf('400 Bad'))).not.toContain('keep-alive');
  expect(failures).toEqual([]);
});

it('an answer is not begun by the beat before it is one interval old, and never unless it asks for that', async () => {
  using heartbeat = new Heartbeat(INTERVAL_MS, pino({ enabled: false }));
  const early = Promise.withResolvers<boolean>();
  await using server = await serve((request, response) => {
    const reply = new Reply(response, PATIENT);
    if (request.url === '/silent') {
      // As for `initialize`: its head carries the session, which is known only with the answer.
      void beats(heartbeat, 4).then(() => {
        reply.setHeader('mcp-session-id', 'known late');
        reply.answer('{"id":1}');
      });
      return;
    }
    reply.keepAlive(heartbeat);
    reply.beat(60_000);
    early.resolve(response.headersSent);
    void beats(heartbeat, 4).then(() => reply.answer('{"id":2}'));
  });
  const silent = await fetch(`http://127.0.0.1:${server.port}/silent`);
  expect(silent.headers.get('content-type')).toBe('application/json');
  expect(silent.headers.get('mcp-session-id')).toBe('known late');
  expect(await silent.text()).toBe('{"id":1}');
  const beaten = await fetch(`http://127.0.0.1:${server.port}/beaten`);
  expect(await early.promise).toBe(false);
  expect(await beaten.text()).toMatch(/^: keep-alive\n\n[^]*data: {"id":2}\n\n$/);
});

it('a connection that cannot be beaten costs the others nothing', async () => {
  const failures: string[] = [];
  using heartbeat = new Heartbeat(INTERVAL_MS, pino({}, { write: (line: string) => failures.push(line) }));
  heartbeat.add({
    beat: () => {
      throw new Error('broken');
    },
  });
  await beats(heartbeat, 3);
  expect(failures).toHaveLength(1);
  expect(failures[0]).toContain('a connection could not be kept alive');
});
