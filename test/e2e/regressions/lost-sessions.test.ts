/** A server that forgets sessions costs its clients nothing: no call runs twice, and none fails for ever. */
import { expect, it } from 'vitest';
import { startGateway } from '../../rig/gateway.ts';
import { rawClient } from '../raw-client.ts';
import { content, startFakeServer } from './fake-server.ts';

it('a session that the server forgets makes it refuse one call, and the other calls are not executed again', async () => {
  const paid = Promise.withResolvers<void>();
  await using server = await startFakeServer({
    on: async ({ tool, result }) => {
      if (tool !== 'pay') return false;
      await paid.promise;
      result(content('paid'));
      return true;
    },
  });
  await using gateway = await startGateway({ config: { mcpServers: { web: { type: 'http', url: server.url } } } });
  const client = await rawClient(gateway.url('web'), gateway.authorization);
  await client.request('tools/call', { name: 'first' });
  const payment = client.request('tools/call', { name: 'pay' });
  await server.got('tools/call', { tool: 'pay' });
  server.sessions.clear();
  expect((await client.request('tools/call', { name: 'other' })).answer.result).toEqual(content('ok other'));
  paid.resolve();
  expect((await payment).answer.result).toEqual(content('paid'));
  expect(await server.got('tools/call', { tool: 'pay' })).toHaveLength(1);
});

/** Forgets a session in the moment in which the gateway restores its log level. */
function forgetfulServer() {
  const forget = { next: false };
  const starting = startFakeServer({
    on: ({ message, sessionId }) => {
      if (message.method === 'logging/setLevel' && forget.next) {
        forget.next = false;
        starting.then(({ sessions }) => sessions.delete(sessionId ?? '')).catch(() => undefined);
      }
      return false;
    },
  });
  return { starting, forget };
}

it('a conversation that is lost again while it is restored is opened once more for the next call', async () => {
  const { starting, forget } = forgetfulServer();
  await using server = await starting;
  await using gateway = await startGateway({ config: { mcpServers: { web: { type: 'http', url: server.url } } } });
  const client = await rawClient(gateway.url('web'), gateway.authorization);
  await client.request('tools/call', { name: 'first' });
  await client.request('logging/setLevel', { level: 'info' });
  forget.next = true;
  server.sessions.clear();
  await client.request('tools/call', { name: 'may fail' });
  expect(forget.next).toBe(false);
  expect((await client.request('tools/call', { name: 'again' })).answer.result).toEqual(content('ok again'));
});

it('so is the conversation that clients share', async () => {
  const server = await startFakeServer({
    on: ({ message, sessionId }) => {
      // The first conversation restores nothing; the second is lost before its handshake is over.
      if (message.method === 'notifications/initialized' && sessionId === 'session-2') {
        server.sessions.delete('session-2');
      }
      return false;
    },
  });
  await using _ = server;
  await using gateway = await startGateway({ config: { mcpServers: { web: { type: 'http', url: server.url } } } });
  const client = await rawClient(gateway.url('web'), gateway.authorization, { session: false });
  expect((await client.request('tools/call', { name: 'one' })).answer.result).toEqual(content('ok one'));
  server.sessions.clear();
  await client.request('tools/call', { name: 'may fail' });
  await expect
    .poll(async () => (await client.request('tools/call', { name: 'again' })).answer.result)
    .toEqual(content('ok again'));
});
