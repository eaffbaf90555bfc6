/** Events as a stream (text/event-stream) for one caller: only what he may hear of, for as long as he may. */
import type { ServerResponse } from 'node:http';
import { may, seesInApi } from '../../auth/authorize.ts';
import type { Principal } from '../../auth/authenticator.ts';
import type { Access } from '../../config/registration.ts';
import type { ObjectReference } from '../../store/store.ts';
import type { EventBus, NumberedEvent } from './event-bus.ts';

const HEARTBEAT_MS = 15_000;
/** A client that leaves so many bytes unread is cut off; it comes back and gets what it has missed. */
const MAX_UNREAD_BYTES = 1024 * 1024;

export interface EventStreamOptions {
  readonly bus: EventBus;
  /** Who follows. */
  readonly subject: string;
  /** The caller as he is now; undefined once he may not call any more. */
  readonly principal: () => Principal | undefined;
  /** Who may see a server or virtual server by now; undefined for one that is gone. */
  readonly accessOf: (object: Pick<ObjectReference, 'kind' | 'id'>) => Access | undefined;
  /** Ends the stream. */
  readonly signal: AbortSignal;
  /** Types that are wanted, or what they begin with, such as `server.`; undefined = all. */
  readonly types: readonly string[] | undefined;
  /** Id of the last event that the client has seen. */
  readonly lastEventId: string | undefined;
}

/** Resolves when the stream has ended. */
export async function streamEvents(response: ServerResponse, options: EventStreamOptions): Promise<void> {
  const { bus, subject, principal, accessOf, signal, types, lastEventId } = options;
  const ended = Promise.withResolvers<void>();
  const write = (text: string): void => {
    if (response.writableLength > MAX_UNREAD_BYTES) response.destroy();
    else response.write(text);
  };
  const deliver = (event: NumberedEvent | undefined): void => {
    const caller = principal();
    if (caller === undefined) return ended.resolve();
    if (event === undefined) return;
    const isWanted = types === undefined || types.some((type) => event.type === type || event.type.startsWith(type));
    if (isWanted && mayHear(caller, event)) write(textOf(bus, event, may(caller, 'audit.read')));
  };
  response.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  });
  const missed = lastEventId === undefined ? undefined : bus.since(lastEventId);
  // The id lets a client come back without a gap, also one that has seen no event yet.
  if (missed === undefined) {
    write(`id: ${bus.latestId}\nevent: ${lastEventId === undefined ? 'hello' : 'reset'}\ndata: {}\n\n`);
  } else {
    response.flushHeaders();
    for (const event of missed) deliver(withAccess(event, accessOf));
  }
  const stop = bus.follow(deliver, subject);
  const heartbeat = setInterval(() => {
    if (principal() === undefined) ended.resolve();
    else write(':\n\n');
  }, HEARTBEAT_MS);
  const end = (): void => ended.resolve();
  response.once('close', end);
  signal.addEventListener('abort', end, { once: true });
  if (signal.aborted) end();
  try {
    await ended.promise;
  } finally {
    clearInterval(heartbeat);
    stop();
    signal.removeEventListener('abort', end);
    response.end();
  }
}

function mayHear(principal: Principal, { audience: { permission, access } }: NumberedEvent): boolean {
  if (access === undefined) return may(principal, permission);
  return seesInApi(principal, access) && may(principal, permission, access);
}

/** What was for others when it happened is told to those who may see it now. */
function withAccess(event: NumberedEvent, accessOf: EventStreamOptions['accessOf']): NumberedEvent {
  const { of } = event.audience;
  const access = of && accessOf(of);
  return access === undefined ? event : { ...event, audience: { ...event.audience, access } };
}

/** Who has done it is for those who read the audit log. */
function textOf(bus: EventBus, event: NumberedEvent, withActor: boolean): string {
  const { type, at, object } = event;
  const { by, ...others } = event.data;
  const data = withActor && by !== undefined ? { ...others, by } : others;
  const body = JSON.stringify({
    type,
    at: new Date(at).toISOString(),
    object: object === undefined ? null : { ...object, name: object.name ?? null },
    data,
  });
  return `id: ${bus.idOf(event)}\nevent: ${type}\ndata: ${body}\n\n`;
}
