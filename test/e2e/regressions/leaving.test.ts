/** Clients that leave and gateways that stop: nothing is left open, and nobody waits for what he has given up. */
import { connect } from 'node:net';
import { expect, it } from 'vitest';
import { startGateway } from '../../rig/gateway.ts';
import { rawClient } from '../raw-client.ts';
import { startFakeServer } from './fake-server.ts';
import { endSession, gatewayStatus, openSessionStream } from './session-stream.ts';

/** Lets what a test holds back go on. */
function gate() {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { shut: false, opened: promise, open: () => resolve() };
}

it('a session that ends while its unified call waits for a listing leaves no conversation behind', async () => {
  const listing = gate();
  await using server = await startFakeServer({
    on: async ({ message }) => {
      if (message.method === 'tools/list' && listing.shut) await listing.opened;
    },
  });
  await using gateway = await startGateway({
    args: ['--unified'],
    config: { mcpServers: { web: { type: 'http', url: server.url } } },
  });
  listing.shut = true;
  const client = await rawClient(gateway.url(), gateway.authorization);
  const call = client.request('tools/call', { name: 'web___t' });
  await server.got('tools/list');
  expect(await endSession(gateway.url(), gateway.authorization, client)).toBe(204);
  listing.open();
  await call;
  // Whoever opened a conversation for the ended session would have done so by the end of another whole call.
  const other = await rawClient(gateway.url(), gateway.authorization);
  await other.request('tools/call', { name: 'web___t' });
  expect(await endSession(gateway.url(), gateway.authorization, other)).toBe(204);
  await expect.poll(() => [...server.sessions]).toEqual(['session-1']);
  await expect
    .poll(() => gatewayStatus(gateway.origin, gateway.authorization))
    .toMatchObject({ sessions: 0, servers: [{ conversations: 1 }] });
});

it('a call that the end of the gateway cuts off is answered with an error, and streams end in good order', async () => {
  await using server = await startFakeServer({ on: ({ tool }) => tool === 'slow' });
  await using gateway = await startGateway({
    args: ['--shutdown-timeout', '1s'],
    config: { mcpServers: { web: { type: 'http', url: server.url } } },
  });
  const url = gateway.url('web');
  const client = await rawClient(url, gateway.authorization);
  await using stream = await openSessionStream(url, gateway.authorization, client);
  const streaming = client.request('tools/call', { name: 'slow' }, 1);
  const plain = client.post('{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"slow"}}', {
    accept: 'application/json',
  });
  await server.got('tools/call', { tool: 'slow', count: 2 });
  gateway.kill('SIGTERM');
  for (const [id, { answer }] of [await streaming, await plain].entries()) {
    expect(answer).toMatchObject({ id: id + 1, error: { data: { error: 'shutting_down' } } });
  }
  await expect(stream.ended).resolves.toBeUndefined();
  expect(await gateway.exited).toMatchObject({ status: 1 });
});

it('a client that leaves during its handshake gets no session', async () => {
  const handshake = gate();
  await using server = await startFakeServer({
    on: async ({ message }) => {
      if (message.method === 'initialize') await handshake.opened;
    },
  });
  await using gateway = await startGateway({
    config: { mcpServers: { web: { type: 'http', url: server.url, start: 'lazy' } } },
  });
  const body = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}`;
  const socket = connect(Number(new URL(gateway.origin).port), '127.0.0.1');
  const head = `POST /mcp/web HTTP/1.1\r\nhost: localhost\r\nauthorization: ${gateway.authorization}\r\ncontent-type: application/json`;
  socket.write(`${head}\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
  await server.got('initialize');
  socket.destroy();
  await gateway.until(({ stderr }) => (stderr.includes('"outcome":"cancelled"') ? true : undefined));
  handshake.open();
  await server.got('notifications/initialized');
  // The next handshake is after the first in every queue.
  await rawClient(gateway.url('web'), gateway.authorization);
  expect((await gatewayStatus(gateway.origin, gateway.authorization)).sessions).toBe(1);
});

it('ending a session and cancelling a call do not wait for the opening of a conversation', async () => {
  const handshake = gate();
  await using server = await startFakeServer({
    on: async ({ message }) => {
      if (message.method === 'initialize' && handshake.shut) await handshake.opened;
    },
  });
  await using gateway = await startGateway({ config: { mcpServers: { web: { type: 'http', url: server.url } } } });
  const url = gateway.url('web');
  const first = await rawClient(url, gateway.authorization);
  const second = await rawClient(url, gateway.authorization);
  handshake.shut = true;
  const cancelled = first.request('tools/call', { name: 't' }, 55);
  await server.got('initialize', { count: 2 });
  await first.notify('notifications/cancelled', { requestId: 55 });
  await cancelled;
  const cut = second.request('tools/call', { name: 't' });
  await server.got('initialize', { count: 3 });
  expect(await endSession(url, gateway.authorization, second)).toBe(204);
  await cut;
  // All of this came to its end although no handshake has been answered.
  expect(server.texts.filter((text) => text.includes('"t"'))).toEqual([]);
  handshake.open();
});
