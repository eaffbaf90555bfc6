import { expect, it } from 'vitest';
import type { BodySink } from './answer-body.ts';
import type { OutboundResponse } from './connector.ts';
import { JsonOutline } from '../../mcp/json-outline.ts';
import type { Received } from '../../mcp/large-message.ts';
import { readResponse, readText } from './read-answer.ts';

/** A body that comes byte by byte, behind its first byte always in the same buffer: whoever keeps that keeps the last byte many times. */
function byteByByte(text: string): OutboundResponse {
  const byte = Buffer.alloc(1);
  const read = (sink: BodySink): void => {
    sink.onData(Buffer.from(text.slice(0, 1)));
    for (const character of text.slice(1)) {
      byte.write(character);
      sink.onData(byte);
    }
    sink.onEnd();
  };
  const nothing = (): void => undefined;
  return {
    status: 200,
    header: () => undefined,
    body: { read, pause: nothing, resume: nothing, destroy: nothing },
  };
}

const TEXT = JSON.stringify({ result: { list: Array.from({ length: 50_000 }, (_, index) => index) } });

it('an answer that comes byte by byte is not kept as that many buffers', async () => {
  expect((await readText(byteByByte(TEXT), TEXT.length)) === TEXT).toBe(true);
  const message = await new Promise<Received | undefined>((onMessage, onError) => {
    const options = { maxBytes: TEXT.length, requestId: '1', onLargeAnswer: () => undefined };
    readResponse(byteByByte(TEXT), options, { onMessage, onError });
  });
  expect(message instanceof JsonOutline && message.text === TEXT).toBe(true);
});
