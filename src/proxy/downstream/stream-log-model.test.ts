/** Whatever streams of a session say, and whoever comes back for it: the log does what a list of all events would do. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { ClientResponse } from '../client-response.ts';
import { EventStream } from './event-stream.ts';
import { StreamLog, type LoggedStream } from './stream-log.ts';

const MAX_BYTES = 256 * 1024;
const MAX_STREAMS = 100;

/** One connection of a client: what it got, and what it should have. */
interface Connection {
  readonly stream: EventStream;
  readonly response: ClientResponse;
  got: string;
  expected: string;
  expectedEnd: boolean;
}

/** A stream as it should be. */
interface Expected {
  readonly number: number;
  readonly logged: LoggedStream;
  newest: number;
  ended: boolean;
  connection?: Connection;
}

interface Event {
  readonly stream: number;
  readonly number: number;
  readonly text: string;
  readonly size: number;
}

/** The slow and plain way to do what the log does, beside the log. */
class Model {
  log = new StreamLog();
  all: Expected[] = [];
  /** Those that can be resumed. */
  resumable: Expected[] = [];
  events: Event[] = [];
  readonly connections: Connection[] = [];

  open(): Expected {
    const stream = { number: this.all.length + 1, logged: this.log.open(), newest: 0, ended: false };
    this.all.push(stream);
    this.resumable = [...this.resumable, stream].slice(-MAX_STREAMS);
    return stream;
  }

  connect(): Connection {
    const connection = { got: '', expected: '', expectedEnd: false } as Connection;
    const response = recorder(connection);
    this.connections.push(Object.assign(connection, { response, stream: new EventStream(response, 'r-1') }));
    return connection;
  }

  attach(stream: Expected, after: number, logged = stream.logged): void {
    const connection = this.connect();
    if (stream.connection !== undefined) stream.connection.expectedEnd = true;
    stream.connection = connection;
    if (after === 0) connection.expected += `id: ${stream.number}-0\nretry: 1000\ndata: \n\n`;
    connection.expected += this.after(stream, after).map(frame).join('');
    connection.expectedEnd = stream.ended;
    logged.attach(connection.stream, after);
  }

  send(stream: Expected, text: string): void {
    const { connection } = stream;
    const isOpen = connection?.expectedEnd === false;
    if (isOpen) connection.expected += frame({ stream: stream.number, number: stream.newest + 1, text });
    this.keep(stream, text);
    expect(stream.logged.send(text)).toBe(isOpen);
  }

  /** A last message in two pieces; half way the client may come back on another connection, or the answer breaks off. */
  pass(stream: Expected, text: string, turn: 'none' | 'comes back' | 'breaks off'): void {
    const [bytes, first] = [Buffer.from(text), stream.connection];
    const sink = stream.logged.passOn();
    expect(sink !== undefined).toBe(first?.expectedEnd === false);
    if (sink === undefined || first === undefined) return;
    const half = Math.floor(bytes.length / 2);
    first.expected += `id: ${stream.number}-${stream.newest + 1}\nevent: message\ndata: `;
    first.expected += bytes.subarray(0, half).toString('latin1');
    sink.write(bytes.subarray(0, half));
    if (turn === 'comes back') this.attach(stream, stream.newest);
    else if (turn === 'none') first.expected += `${bytes.subarray(half).toString('latin1')}\n\n`;
    first.expectedEnd = true;
    if (turn === 'breaks off') {
      stream.newest++;
      sink.cut();
    } else {
      const again = stream.connection === first ? undefined : stream.connection;
      const isKept = bytes.length <= MAX_BYTES - 16;
      if (again !== undefined && isKept)
        again.expected += frame({ stream: stream.number, number: stream.newest + 1, text });
      if (isKept) this.keep(stream, text);
      else stream.newest++;
      sink.write(bytes.subarray(half));
      sink.end('');
    }
    this.ended(stream);
  }

  end(stream: Expected): void {
    stream.logged.end();
    this.ended(stream);
  }

  find(stream: Expected | undefined, id: string, after: number): LoggedStream | undefined {
    const found = this.log.find(id);
    const complete =
      stream !== undefined &&
      this.resumable.includes(stream) &&
      after <= stream.newest &&
      this.after(stream, after).length === stream.newest - after;
    expect(found !== undefined, `${id} can be resumed`).toBe(complete);
    if (found !== undefined) expect(found.after).toBe(after);
    return found?.stream;
  }

  close(): void {
    this.log.close();
    for (const stream of this.resumable) this.ended(stream);
    this.resumable = [];
    this.events = [];
  }

  private ended(stream: Expected): void {
    stream.ended = true;
    if (stream.connection !== undefined) stream.connection.expectedEnd = true;
    delete stream.connection;
  }

  private keep(stream: Expected, text: string): void {
    const number = ++stream.newest;
    if (!this.resumable.includes(stream)) return;
    this.events.push({ stream: stream.number, number, text, size: sizeOf(text) });
    let kept = this.events.reduce((sum, { size }) => sum + size, 0);
    while (kept > MAX_BYTES) kept -= this.events.shift()?.size ?? kept;
  }

  private after(stream: Expected, after: number): Event[] {
    return this.events.filter((event) => event.stream === stream.number && event.number > after);
  }
}

/** What an event takes with the 16 bytes before it, in steps of 16. */
function sizeOf(text: string): number {
  return 16 + Math.ceil(Buffer.byteLength(text) / 16) * 16;
}

function frame({ stream, number, text }: Omit<Event, 'size'>): string {
  const bytes = Buffer.from(text).toString('latin1');
  return `id: ${stream}-${number}\nevent: message\ndata: ${bytes}\n\n`;
}

/** A response that keeps its bytes, one character for each. */
function recorder(connection: Connection): ClientResponse {
  let ended = false;
  const add = (data: string | Buffer): void => {
    if (!ended) connection.got += Buffer.from(data as string).toString('latin1');
  };
  return {
    headersSent: true,
    destroyed: false,
    get writableEnded() {
      return ended;
    },
    writableLength: 0,
    socket: null,
    writeHead: () => undefined,
    flushHeaders: () => undefined,
    write: (data) => {
      add(data);
      return true;
    },
    end: (text = '') => {
      add(text);
      ended = true;
    },
    destroy: () => {
      ended = true;
    },
    setTimeout: () => undefined,
    once: () => undefined,
    prependOnceListener: () => undefined,
  };
}

const text = fc
  .record({
    unit: fc.constantFrom('x', 'é', '漢', '😀', 'a\ud800'),
    bytes: fc.oneof(
      { weight: 8, arbitrary: fc.nat(400) },
      { weight: 8, arbitrary: fc.nat(60_000) },
      { weight: 1, arbitrary: fc.nat(MAX_BYTES) },
      { weight: 1, arbitrary: fc.integer({ min: MAX_BYTES - 40, max: MAX_BYTES + 20 }) },
    ),
    /** Makes it as long as it should be, to the byte. */
    rest: fc.nat(3),
  })
  .map(({ unit, bytes, rest }) => unit.repeat(bytes / Buffer.byteLength(unit)) + 'y'.repeat(rest));

const which = fc.nat();
const action = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('open' as const), count: fc.constantFrom(1, 1, 1, 40) }) },
  { weight: 12, arbitrary: fc.record({ do: fc.constant('send' as const), which, text }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('end' as const), which }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('attach' as const), which }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('pass' as const),
      which,
      text,
      turn: fc.constantFrom('none' as const, 'comes back' as const, 'breaks off' as const),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant('resume' as const), which, behind: fc.integer({ min: -1, max: 6 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('close' as const) }) },
);

it('MCP-SES-010 a session remembers its streams as a list of all events would, within its bounds', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 120, size: 'max' }), (actions) => {
      const model = new Model();
      model.open();
      for (const step of actions) {
        const stream = 'which' in step ? model.all.at(-1 - (step.which % Math.min(model.all.length, 110))) : undefined;
        if (step.do === 'open') for (let opened = 0; opened < step.count; opened++) model.open();
        else if (step.do === 'close') model.close();
        else if (stream === undefined) continue;
        else if (step.do === 'resume') {
          const after = Math.max(0, stream.newest - step.behind);
          const found = model.find(stream, `${stream.number}-${after}`, after);
          if (found !== undefined) model.attach(stream, after, found);
        } else if (stream.ended) continue;
        else if (step.do === 'send') model.send(stream, step.text);
        else if (step.do === 'pass') model.pass(stream, step.text, step.turn);
        else if (step.do === 'end') model.end(stream);
        else model.attach(stream, stream.newest);
      }
      for (const stream of model.all) {
        const wanted = Array.from({ length: stream.newest + 2 }, (_, after) => after);
        const found = wanted.map((after) => model.find(stream, `${stream.number}-${after}`, after));
        const after = found.findIndex((logged) => logged !== undefined);
        if (after !== -1) model.attach(stream, after, found[after]);
      }
      for (const unknown of [0, model.all.length + 1]) model.find(undefined, `${unknown}-0`, 0);
      for (const { got, expected, response, expectedEnd } of model.connections) {
        expect(got === expected, `${got.slice(0, 300)} … is ${expected.slice(0, 300)} …`).toBe(true);
        expect(response.writableEnded).toBe(expectedEnd);
      }
    }),
  );
});
