/** Differential fuzzing of connections: requests one behind the other, cut anywhere; none lost, none twice, none that llhttp does not find. */
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import type { WholeRequest } from '../../src/proxy/post-request.ts';
import type { ClientResponse } from '../../src/proxy/client-response.ts';
import { FastConnection } from '../../src/proxy/fast/fast-connection.ts';
import { conversation, randomFrom, type Random } from './fuzz-cases.ts';
import type { FuzzResult } from './fuzz.ts';
import { readWithLlhttp } from './llhttp.ts';

const BATCH = 500;
const LIMITS = { headersTimeoutMs: 1e9, keepAliveTimeoutMs: 1e9, methods: ['POST', 'GET'] as const };

/** Runs `cases` connections that depend on `seed` alone. `taken` counts requests. */
export async function fuzzConnections(seed: number, cases: number): Promise<FuzzResult> {
  const random = randomFrom(seed);
  let taken = 0;
  for (let done = 0; done < cases; done += BATCH) {
    const batch = Array.from({ length: Math.min(BATCH, cases - done) }, () => new Conversation(random));
    // They go on by turns, as connections do.
    for (let going = batch; going.length > 0; going = going.filter((each) => each.step())) await turn();
    await turn();
    for (const [index, each] of batch.entries()) {
      taken += each.taken;
      const reason = each.verdict();
      if (reason !== undefined)
        return { cases: done + index + 1, taken, disagreement: { bytes: JSON.stringify(each.pieces), reason } };
    }
  }
  return { cases, taken, disagreement: undefined };
}

/** What the fast path uses of a socket. What comes after the connection was handed over is Node's. */
class FakeSocket extends EventEmitter {
  readonly writable = true;
  readonly readableEnded = false;
  readonly writableLength = 0;
  readonly readableLength = 0;
  readonly handed: Buffer[] = [];
  destroyed = false;
  isPaused = false;

  setNoDelay(): void {}
  /** Of the stream: with nothing in it, it reads on. */
  push(): boolean {
    this.isPaused = false;
    return true;
  }
  pause(): void {
    this.isPaused = true;
  }
  resume(): void {
    this.isPaused = false;
  }
  write(): boolean {
    return true;
  }
  unshift(bytes: Buffer): void {
    this.handed.push(bytes);
  }
  destroy(): void {
    this.destroyed = true;
    this.emit('close');
  }
  destroySoon(): void {
    this.destroy();
  }
}

class Conversation {
  readonly pieces: string[];
  readonly #text: string;
  readonly #random: Random;
  readonly #socket = new FakeSocket();
  readonly #connection: FastConnection;
  readonly #requests: WholeRequest[] = [];
  /** The connection ended because a request said so. */
  #hasEnded = false;
  readonly #unanswered: ClientResponse[] = [];
  #fed = 0;
  #handedOver = false;

  constructor(random: Random) {
    this.#random = random;
    this.#text = conversation(random);
    this.pieces = cut(this.#text, random);
    this.#connection = new FastConnection(
      this.#socket as unknown as Socket,
      {
        onRequest: (request, response) => {
          this.#requests.push(request);
          if (random(2) === 0) this.#answer(response);
          else this.#unanswered.push(response);
        },
        onHandOver: () => (this.#handedOver = true),
        onLate: () => undefined,
      },
      LIMITS,
      () => undefined,
    );
  }

  get taken(): number {
    return this.#requests.length;
  }

  /** Sends some pieces, or answers a request; false when there is nothing left to do. */
  step(): boolean {
    for (
      let count = this.#random(this.#unanswered.length === 0 ? 2 : 3);
      count > 0 && !this.#socket.isPaused && !this.#socket.destroyed;
      count--
    ) {
      const piece = this.pieces[this.#fed];
      if (piece === undefined) break;
      this.#fed++;
      const bytes = Buffer.from(piece, 'latin1');
      if (this.#handedOver) this.#socket.handed.push(bytes);
      else if (!deliver(this.#socket, bytes)) this.#socket.isPaused = true;
    }
    const open = this.#unanswered.pop();
    if (open !== undefined) {
      this.#answer(open);
      return true;
    }
    return !this.#socket.destroyed && this.#fed < this.pieces.length;
  }

  #answer(response: ClientResponse): void {
    if (response.destroyed) return;
    response.writeHead(200, { 'content-length': 0 });
    response.end();
    this.#hasEnded ||= this.#socket.destroyed;
  }

  /** What is wrong; undefined when nothing is. */
  verdict(): string | undefined {
    const wasRefused = this.#socket.destroyed && !this.#hasEnded;
    const last = this.#requests.at(-1);
    if (this.#hasEnded && !asksForEnd(last)) return 'nobody asked for the end of the connection';
    // What is still coming is handed over now.
    this.#connection.finish();
    const bytes = Buffer.from(this.#text, 'latin1');
    const handed = Buffer.concat(this.#socket.handed);
    const left = this.#handedOver ? handed.length : 0;
    const read = bytes.subarray(0, bytes.length - left);
    if (!handed.equals(bytes.subarray(bytes.length - left)))
      return 'other bytes are handed over than were not answered';
    const { requests, refused } = readWithLlhttp(wasRefused ? bytes : read);
    if (wasRefused && !refused) return 'only the fast path refuses it';
    // Behind the last request of a connection nothing counts, whether somebody has looked at it or not.
    if (!wasRefused && ((refused && !this.#hasEnded) || requests.length !== this.#requests.length))
      return 'llhttp finds other requests in what was answered';
    for (const [index, request] of this.#requests.entries()) {
      const { url, method, rawHeaders, body } = request;
      const other = requests[index];
      if (other === undefined || other.upgrade || other.method !== method || other.url !== url)
        return 'llhttp finds another request';
      if (other.keepAlive === asksForEnd(request)) return 'llhttp disagrees on whether the connection is kept';
      if (!other.body.equals(body)) return 'llhttp finds another body';
      const headers = other.headers.filter((_, at) => other.headers[at - (at % 2)]?.toLowerCase() !== 'content-length');
      if (JSON.stringify(headers) !== JSON.stringify(rawHeaders)) return 'llhttp finds other headers';
    }
    return undefined;
  }
}

/** As the handle does: whoever has taken the place of the stream gets it. */
function deliver(socket: { push(bytes: Buffer): boolean }, bytes: Buffer): boolean {
  return socket.push(bytes);
}

function asksForEnd(request: WholeRequest | undefined): boolean {
  return String(request?.headers.connection).toLowerCase() === 'close';
}

/** In one piece, in some, or byte by byte. */
function cut(text: string, random: Random): string[] {
  if (random(24) === 0) return Array.from(text);
  const places = Array.from({ length: random(3) === 0 ? random(8) : 0 }, () => random(text.length + 1));
  // Clients that wait for answers cut between requests.
  const ends = [...text.matchAll(/(?=POST |GET )|(?<=\r\n\r\n)(?=xx)/g)].flatMap(({ index }) =>
    index > 0 && random(5) > 0 ? [index] : [],
  );
  const all = [...new Set([0, ...places, ...ends, text.length])].sort((a, b) => a - b);
  return all.slice(1).map((end, index) => text.slice(all[index], end));
}
