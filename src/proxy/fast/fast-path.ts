/** Puts itself between the listener's server and its connections: each begins on the fast path, and stays for as long as its requests have the strict form. */
import type { Server, Socket } from 'node:net';
import { FastConnection, type FastPathEvents, type FastPathLimits } from './fast-connection.ts';
import { TurnoverSet } from '../../shared/turnover.ts';

export interface FastPathOptions extends FastPathLimits, Pick<FastPathEvents, 'onRequest' | 'onLate'> {
  /** The event with which the server tells of a connection that can be read: `secureConnection` with TLS. */
  readonly event: 'connection' | 'secureConnection';
}

const CHECK_INTERVAL_MS = 1_000;

export class FastPath implements Disposable {
  readonly #connections = new TurnoverSet<FastConnection>();
  readonly #timer: NodeJS.Timeout;
  readonly #begin: (socket: Socket) => void;
  #ending = false;

  constructor(server: Server, options: FastPathOptions) {
    const { event, onRequest, onLate } = options;
    // The first listener, added when the server was made, takes the rest: with HTTP servers it is Node's own.
    const [takeRest] = server.listeners(event);
    if (takeRest === undefined) throw new Error(`the server does not listen to "${event}"`);
    const events: FastPathEvents = {
      onRequest,
      onLate,
      onHandOver(socket) {
        Reflect.apply(takeRest, server, [socket]);
      },
    };
    this.#begin = (socket) => this.#take(socket, events, options);
    const others = server.listeners(event).slice(1);
    server.removeAllListeners(event);
    server.on(event, this.#begin);
    for (const listener of others) server.on(event, (socket: Socket) => Reflect.apply(listener, server, [socket]));
    this.#timer = setInterval(() => this.#check(), CHECK_INTERVAL_MS).unref();
  }

  /** Takes a connection that the server itself has not accepted. */
  adopt(socket: Socket): void {
    this.#begin(socket);
  }

  /** Lets requests that are being answered finish, and takes no others. */
  finish(): void {
    this.#ending = true;
    for (const connection of [...this.#connections]) connection.finish();
  }

  /** Cuts all connections that are left. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    for (const { socket } of [...this.#connections]) socket.destroy();
  }

  #take(socket: Socket, events: FastPathEvents, limits: FastPathLimits): void {
    const connection = new FastConnection(socket, events, limits, () => this.#connections.delete(connection));
    if (this.#ending) connection.finish();
    else this.#connections.add(connection);
  }

  #check(): void {
    const now = performance.now();
    for (const connection of this.#connections) connection.check(now);
  }
}
