/** A client that keeps an event stream open, and looks at every event that comes. */
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { within } from '../../src/shared/async.ts';
import type { Running } from '../contender.ts';
import { headersOf, openSession, post, requestText } from '../load/requests.ts';

export interface Listener {
  /** Changes that it was told of. */
  readonly changes: number;
  /** When the last of them came, in ms of `performance.now()`. */
  readonly lastAt: number;
  /** What was not as it should be; empty when all was. */
  readonly wrong: string;
  close(): void;
}

/** `get`: the stream of a legacy session, or of nobody where there are none; `listen`: the subscription of a modern client. */
export type StreamKind = 'get' | 'listen';

const OPENING_MS = 30_000;
const CHANGED = 'notifications/tools/list_changed';
const ACKNOWLEDGED = 'notifications/subscriptions/acknowledged';

/** `index` chooses among the credentials. */
export async function openListener(target: Running, kind: StreamKind, index: number): Promise<Listener> {
  return kind === 'get' ? openGet(target) : openSubscription(target, index);
}

async function openGet(target: Running): Promise<Listener> {
  const session = target.sessions ? await openSession(target) : undefined;
  // Who has asked for a list is told when it changes.
  if (session !== undefined)
    await post(target, requestText('legacy', 'tools/list'), headersOf('legacy', 'tools/list', undefined, session));
  const headers = { ...target.headers(0), ...headersOf('legacy', '', undefined, session) };
  const { listener, response } = openStream(target, 'GET', headers, '');
  await within(response, OPENING_MS);
  return listener;
}

async function openSubscription(target: Running, index: number): Promise<Listener> {
  const body = requestText('modern', 'subscriptions/listen', { notifications: { toolsListChanged: true } });
  const headers = { ...target.headers(index), ...headersOf('modern', 'subscriptions/listen') };
  const { listener, response, acknowledged } = openStream(target, 'POST', headers, body);
  await within(response, OPENING_MS);
  await within(acknowledged, OPENING_MS);
  return listener;
}

function openStream(
  target: Running,
  method: string,
  headers: Readonly<Record<string, string>>,
  body: string,
): { readonly listener: Listener; readonly response: Promise<void>; readonly acknowledged: Promise<void> } {
  const { host, port, path } = target;
  const sent = request({ host, port, path, method, headers, agent: false });
  const state = { changes: 0, lastAt: 0, wrong: '', close: () => void sent.destroy() };
  const acknowledged = Promise.withResolvers<void>();
  let closing = false;
  state.close = () => {
    closing = true;
    sent.destroy();
  };
  const broken = (why: string): void => {
    if (closing) return;
    state.wrong ||= why;
    acknowledged.reject(new Error(why));
  };
  acknowledged.promise.catch(() => undefined);
  sent.on('error', (error) => broken(`the stream broke: ${error.message}`));
  sent.end(body);
  const see = (line: string): void => {
    if (!line.startsWith('data:') || line.length < 7) return;
    const event = JSON.parse(line.slice(5)) as { readonly method?: string };
    if (event.method === CHANGED) {
      state.changes++;
      state.lastAt = performance.now();
    } else if (event.method === ACKNOWLEDGED) acknowledged.resolve();
    else state.wrong ||= `unexpected event ${line.slice(0, 200)}`;
  };
  const response = once(sent, 'response').then(([incoming]: IncomingMessage[]) => {
    if (incoming?.statusCode !== 200) throw new Error(`no stream: ${incoming?.statusCode ?? 0}`);
    let rest = '';
    incoming.setEncoding('utf8');
    incoming.on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      lines.forEach(see);
    });
    incoming.on('error', () => broken('the stream broke'));
    incoming.on('close', () => broken('the stream was closed'));
  });
  return { listener: state, response, acknowledged: acknowledged.promise };
}
