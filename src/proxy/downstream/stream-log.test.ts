import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { EventStream } from './event-stream.ts';
import { StreamLog } from './stream-log.ts';

/** Gives the text that a connection received once it has ended. */
async function received(use: (stream: EventStream) => void): Promise<string> {
  const server = createServer((_, response) => {
    const stream = new EventStream(response, 'r-1');
    use(stream);
    stream.end();
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const text = await (await fetch(`http://127.0.0.1:${port}/`)).text();
  server.close();
  return text;
}

describe('StreamLog', () => {
  it('MCP-SES-009 gives every event of a session an id of its own, and each stream begins with one', async () => {
    const log = new StreamLog();
    const texts = await Promise.all(
      ['{"a":1}', '{"b":2}'].map((message) =>
        received((stream) => {
          const logged = log.open();
          logged.attach(stream, 0);
          logged.send(message);
        }),
      ),
    );
    const ids = texts.flatMap((text) => [...text.matchAll(/^id: (.+)$/gm)].map(([, id]) => id));
    expect(new Set(ids).size).toBe(4);
    expect(texts[0]).toMatch(/^id: \S+\nretry: \d+\ndata: \n\n/);
  });

  it('MCP-SES-010 replays the events of the one stream after the given event, and no others', async () => {
    const log = new StreamLog();
    const [one, other] = [log.open(), log.open()];
    one.send('{"n":1}');
    other.send('{"foreign":true}');
    one.send('{"n":2}');
    one.send('{"n":3}');
    const found = log.find('1-1');
    const text = await received((stream) => found?.stream.attach(stream, found.after));
    expect(text).toContain('{"n":2}');
    expect(text).toContain('{"n":3}');
    expect(text).not.toMatch(/"n":1|foreign/);
  });

  it('ends the connection at once when the stream has ended', async () => {
    const log = new StreamLog();
    const stream = log.open();
    stream.send('{"done":true}');
    stream.end();
    const found = log.find('1-0');
    let open = true;
    const text = await received((connection) => {
      found?.stream.attach(connection, found.after);
      ({ open } = connection);
    });
    expect(text).toContain('{"done":true}');
    expect(open).toBe(false);
  });

  it('does not resume what it cannot complete: unknown ids, events to come, events that were given up', () => {
    const log = new StreamLog();
    const stream = log.open();
    stream.send('{"n":1}');
    for (const id of ['', '1', '1-2', '2-0', '1--1', 'x-1', '1-1 ']) expect(log.find(id)).toBeUndefined();
    expect(log.find('1-1')).toBeDefined();
    stream.send(JSON.stringify('x'.repeat(300 * 1024)));
    expect(log.find('1-1')).toBeUndefined();
    expect(log.find('1-2')).toBeDefined();
  });

  it('forgets everything with its session', () => {
    const log = new StreamLog();
    log.open().send('{}');
    log.close();
    expect(log.find('1-0')).toBeUndefined();
  });
});
