/** What a server says reaches those whom it concerns, once, under the ids that they know. */
import { expect, it } from 'vitest';
import { startGateway } from '../../rig/gateway.ts';
import { rawClient } from '../raw-client.ts';
import { content, startFakeServer, type FakeServer } from './fake-server.ts';
import { openSessionStream } from './session-stream.ts';

const ALICE = 'alice-alice-alice-0001';
const BOB = 'bob-bob-bob-bob-bob-01';

function logLine(data: string): object {
  return { method: 'notifications/message', params: { level: 'info', data } };
}

/** Says it on the standing stream of the conversation on which the message came. */
function sayOn(server: FakeServer, sessionId: string | undefined, message: object): void {
  const stream = server.streams.find((each) => each.sessionId === sessionId);
  if (stream === undefined) throw new Error('the conversation has no standing stream');
  stream.send(message);
}

it('what a server logs late about the call of one principal never reaches another', async () => {
  const bobHasCalled = Promise.withResolvers<void>();
  const server = await startFakeServer({
    on: async ({ tool, sessionId, result }) => {
      if (tool !== 'of bob' && tool !== 'of alice') return false;
      if (tool === 'of alice') await bobHasCalled.promise;
      result(content('done'));
      if (tool === 'of bob') sayOn(server, sessionId, logLine('secret of bob'));
      return true;
    },
  });
  await using _ = server;
  await using gateway = await startGateway({
    config: { mcpServers: { web: { type: 'http', url: server.url } }, gateway: { agentIds: [ALICE, BOB] } },
  });
  const url = gateway.url('web');
  const alice = await rawClient(url, ALICE);
  await alice.request('tools/call', { name: 't' });
  await server.listening(2);
  await using stream = await openSessionStream(url, ALICE, alice);
  const aliceAlone = await rawClient(url, ALICE, { session: false });
  const bob = await rawClient(url, BOB, { session: false });
  const calling = aliceAlone.request('tools/call', { name: 'of alice' });
  await server.got('tools/call', { tool: 'of alice' });
  // Both speak on the conversation that callers without a session share.
  await bob.request('tools/call', { name: 'of bob' });
  await alice.request('tools/call', { name: 't' });
  bobHasCalled.resolve();
  expect((await calling).body).not.toContain('secret');
  for (const { send } of server.streams) send({ method: 'notifications/tools/list_changed' });
  await stream.until('list_changed');
  expect(JSON.stringify(stream.messages())).not.toContain('secret');
});

it('a question that the server takes back is taken back under the id that the client knows', async () => {
  await using server = await startFakeServer({
    on: ({ tool, event, result }) => {
      if (tool !== 'ask') return false;
      const params = { message: 'which?', requestedSchema: { type: 'object', properties: {} } };
      for (const id of [2, 1, 7]) event({ id, method: 'elicitation/create', params });
      event({ method: 'notifications/cancelled', params: { requestId: 7, reason: 'not needed' } });
      result(content('done'));
      return true;
    },
  });
  await using gateway = await startGateway({ config: { mcpServers: { web: { type: 'http', url: server.url } } } });
  const client = await rawClient(gateway.url('web'), gateway.authorization, { capabilities: { elicitation: {} } });
  const { messages } = await client.request('tools/call', { name: 'ask' });
  const questions = messages.filter(({ method }) => method === 'elicitation/create');
  expect(questions).toHaveLength(3);
  const cancelled = messages.filter(({ method }) => method === 'notifications/cancelled');
  expect(cancelled.map(({ params }) => params?.['requestId'])).toEqual([questions[2]?.id]);
});

it('a change and a log line reach a session with a conversation of its own once, not twice', async () => {
  await using server = await startFakeServer();
  await using gateway = await startGateway({ config: { mcpServers: { web: { type: 'http', url: server.url } } } });
  const client = await rawClient(gateway.url('web'), gateway.authorization);
  await client.request('tools/call', { name: 't' });
  await server.listening(2);
  await using stream = await openSessionStream(gateway.url('web'), gateway.authorization, client);
  for (const { send } of server.streams) send({ method: 'notifications/tools/list_changed' });
  for (const { send } of server.streams) send(logLine('once'));
  for (const { send } of server.streams) send(logLine('last'));
  await stream.until('last');
  // A second copy would come by the other conversation: it gets a round trip to arrive.
  await client.request('tools/call', { name: 't' });
  const told = stream.messages().map(({ method, params }) => params?.['data'] ?? method);
  expect(told).toEqual(['notifications/tools/list_changed', 'once', 'last']);
});

it('subscriptions are restored on the conversation that has them and not on the shared one', async () => {
  await using server = await startFakeServer();
  await using gateway = await startGateway({ config: { mcpServers: { web: { type: 'http', url: server.url } } } });
  const client = await rawClient(gateway.url('web'), gateway.authorization);
  await client.request('resources/subscribe', { uri: 'x:1' });
  await server.listening(2);
  // The shared conversation was opened first; it is forgotten, and found so by a caller without a session.
  server.sessions.delete('session-1');
  const other = await rawClient(gateway.url('web'), gateway.authorization, { session: false });
  expect((await other.request('tools/call', { name: 't' })).answer.result).toEqual(content('ok t'));
  await server.listening(3);
  expect(await server.got('resources/subscribe')).toHaveLength(1);
});
