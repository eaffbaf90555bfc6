/** A worker's way to the owner for one client connection: single requests with their answers, or everything from here on. */
import { connect, type Socket } from 'node:net';
import type { FastResponse } from '../proxy/fast/fast-response.ts';
import type { WholeRequest } from '../proxy/post-request.ts';
import { clientCertificateOf } from '../tls/client-certificate.ts';
import { ReplyParser } from '../upstream/http/calls/reply-parser.ts';
import type { Door } from './messages.ts';
import { introductionLine } from './owner-door.ts';

/**
 * Beyond this time without a request a new link is opened: the owner ends idle connections by itself, and a request must
 * not be on its way to one that ends.
 */
const MAX_IDLE_MS = 30_000;

/** An answer on its way. */
interface Passing {
  readonly response: FastResponse;
  readonly onLost: () => void;
  begun: boolean;
  ended: boolean;
  keepAlive: boolean;
}

export class OwnerLink {
  readonly #socket: Socket;
  readonly #parser: ReplyParser;
  #passing: Passing | undefined;
  #lastUsed = performance.now();
  #gone = false;

  /** `client`: the connection on whose behalf it is. */
  constructor({ path, key }: Door, client: Socket) {
    this.#socket = connect({ path, allowHalfOpen: true, noDelay: true });
    this.#socket.write(
      introductionLine({
        key,
        address: client.remoteAddress,
        port: client.remotePort,
        certificate: clientCertificateOf(client),
      }),
    );
    this.#parser = new ReplyParser({
      onHead: ({ keepAlive }) => {
        if (this.#passing !== undefined) this.#passing.keepAlive = keepAlive;
      },
      onBody: () => undefined,
      onEnd: () => {
        if (this.#passing !== undefined) this.#passing.ended = true;
      },
    });
    this.#socket.on('data', this.#onData);
    this.#socket.on('end', this.#onGone);
    this.#socket.on('error', this.#onGone);
    this.#socket.on('close', this.#onGone);
    const leave = (): void => void this.#socket.destroy();
    client.once('close', leave);
    this.#socket.once('close', () => client.off('close', leave));
  }

  /** True while a request can be sent over it. */
  get usable(): boolean {
    return !this.#gone && this.#passing === undefined && performance.now() - this.#lastUsed < MAX_IDLE_MS;
  }

  /** Has the owner answer a request. `onLost` is called when the owner was lost before a byte of its answer came. */
  pass(request: WholeRequest, response: FastResponse, onLost: () => void): void {
    this.#passing = { response, onLost, begun: false, ended: false, keepAlive: true };
    this.#parser.expect();
    const { url, rawHeaders, body } = request;
    let head = `POST ${url} HTTP/1.1\r\n`;
    for (let index = 0; index + 1 < rawHeaders.length; index += 2)
      head += `${rawHeaders[index] ?? ''}: ${rawHeaders[index + 1] ?? ''}\r\n`;
    this.#socket.cork();
    this.#socket.write(`${head}Content-Length: ${body.length}\r\n\r\n`, 'latin1');
    this.#socket.write(body);
    this.#socket.uncork();
  }

  /** Everything that the client sends goes to the owner from now on, beginning with what waits in the socket. */
  handOver(client: Socket): void {
    this.#socket
      .off('data', this.#onData)
      .off('end', this.#onGone)
      .off('error', this.#onGone)
      .off('close', this.#onGone);
    const cut = (): void => {
      client.destroy();
      this.#socket.destroy();
    };
    client.on('error', cut);
    this.#socket.on('error', cut);
    this.#socket.on('close', () => client.destroy());
    this.#socket.pipe(client);
    client.pipe(this.#socket);
  }

  /** Ends it; nothing may be on its way. */
  close(): void {
    this.#gone = true;
    this.#socket.destroy();
  }

  readonly #onData = (chunk: Buffer): void => {
    const passing = this.#passing;
    // Nobody waits for anything: only an owner that is not ours would send it.
    if (passing === undefined) return this.close();
    try {
      this.#parser.push(chunk);
    } catch {
      return void this.#socket.destroy();
    }
    passing.begun = true;
    // The bytes are those that the client would have got from the owner itself.
    const flows = passing.response.relay(chunk);
    if (passing.ended) return this.#finish(passing);
    if (flows) return;
    this.#socket.pause();
    passing.response.socket?.once('drain', () => this.#socket.resume());
  };

  #finish({ response, keepAlive }: Passing): void {
    this.#passing = undefined;
    this.#lastUsed = performance.now();
    if (!keepAlive) this.close();
    response.relayed(!keepAlive);
  }

  readonly #onGone = (): void => {
    if (this.#gone) return;
    this.#gone = true;
    this.#socket.destroy();
    const passing = this.#passing;
    this.#passing = undefined;
    if (passing === undefined || passing.ended) return;
    if (passing.begun) passing.response.destroy();
    else passing.onLost();
  };
}
