/** Large messages and their limits, the same on every wire. */
import { expect, it } from 'vitest';
import { startGateway, type RunningGateway } from '../../rig/gateway.ts';
import { busyboxImage } from '../../rig/images.ts';
import { rawClient } from '../raw-client.ts';
import { content, startFakeServer } from './fake-server.ts';
import { endSession, gatewayStatus, openSessionStream } from './session-stream.ts';

const MIB = 1024 * 1024;

it('an answer of 20 MiB behind progress reaches the client, which is not cut off', async () => {
  await using server = await startFakeServer({
    on: ({ tool, message, event, result }) => {
      if (tool !== 'big') return false;
      const meta = message.params?.['_meta'] as Record<string, unknown> | undefined;
      event({
        method: 'notifications/progress',
        params: { progressToken: meta?.['progressToken'], progress: 1 },
      });
      result(content('x'.repeat(20 * MIB)));
      return true;
    },
  });
  await using gateway = await startGateway({ config: { mcpServers: { web: { type: 'http', url: server.url } } } });
  const client = await rawClient(gateway.url('web'), gateway.authorization);
  const { messages, body } = await client.request('tools/call', { name: 'big', _meta: { progressToken: 1 } });
  expect(messages.map(({ method }) => method)).toEqual(['notifications/progress', undefined]);
  expect(body.length).toBeGreaterThan(20 * MIB);
});

it('what waits for a client without a stream is bounded by its size', async () => {
  await using server = await startFakeServer();
  await using gateway = await startGateway({ config: { mcpServers: { web: { type: 'http', url: server.url } } } });
  const client = await rawClient(gateway.url('web'), gateway.authorization);
  await client.request('tools/call', { name: 't' });
  await server.listening(2);
  const own = server.streams.at(-1);
  const pad = 'y'.repeat(300_000);
  for (let line = 0; line < 20; line++) {
    own?.send({ method: 'notifications/message', params: { level: 'info', data: `${line} ${pad}` } });
  }
  own?.send({ method: 'notifications/message', params: { level: 'info', data: 'last' } });
  own?.send({ id: 'marker', method: 'ping' });
  // The gateway answers the ping when it has read all that stands before it.
  await expect.poll(() => server.texts.some((text) => text.includes('"marker"'))).toBe(true);
  await using stream = await openSessionStream(gateway.url('web'), gateway.authorization, client);
  await stream.until('"last"');
  const lines = stream.messages().map(({ params }) => Number.parseInt(String(params?.['data']), 10));
  expect(lines.slice(0, -1)).toEqual([17, 18, 19]);
});

/** A container that answers `tools/call` for `big` with a text of so many MiB, and for `small` at once; `die` ends it. */
async function shell(): Promise<RunningGateway> {
  const script = `
    while read -r line; do
      id=$(echo "$line" | sed -n 's/.*"id":\\([0-9]*\\).*/\\1/p')
      begin='{"jsonrpc":"2.0","id":'$id',"result":'
      case "$line" in
        *'"initialize"'*) echo "$begin"'{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"1"}}}' ;;
        *'"notifications/'*) ;;
        *'"big"'*) mib=$(echo "$line" | sed -n 's/.*"mib":\\([0-9]*\\).*/\\1/p')
          echo "$begin"'{"content":[{"type":"text","text":"'"$(head -c $((mib * 1048576)) /dev/zero | tr '\\0' x)"'"}]}}' ;;
        *'"wait"'*) echo waiting >&2 ;;
        *'"die"'*) echo 'the token of somebody else is 123' >&2; exit 3 ;;
        *) echo "$begin{}}" ;;
      esac
    done`;
  return startGateway({
    config: {
      mcpServers: {
        box: { container: await busyboxImage(), entrypoint: 'sh', entrypointArgs: ['-c', script] },
      },
      gateway: { toolTimeout: 120 },
    },
  });
}

it('a container may answer with as much as an HTTP server may', async () => {
  await using gateway = await shell();
  const client = await rawClient(gateway.url('box'), gateway.authorization);
  const { answer, body } = await client.request('tools/call', { name: 'big', arguments: { mib: 20 } });
  expect(answer.error).toBeUndefined();
  expect(body.length).toBeGreaterThan(20 * MIB);
});

it('a call whose answer is longer than that fails at once and says why, and the next call works', async () => {
  await using gateway = await shell();
  const client = await rawClient(gateway.url('box'), gateway.authorization);
  const { answer } = await client.request('tools/call', { name: 'big', arguments: { mib: 33 } });
  expect(answer.error).toMatchObject({
    message: 'Server "box" answered "tools/call" with a message of more than 32 MiB, which was dropped.',
    data: { server: 'box', error: 'server_protocol_error' },
  });
  expect((await client.request('tools/call', { name: 'small' })).answer.error).toBeUndefined();
});

it('when several calls wait the operator is told which, and each goes on waiting', async () => {
  await using gateway = await shell();
  const client = await rawClient(gateway.url('box'), gateway.authorization);
  const waiting = client.request('tools/call', { name: 'wait' });
  await gateway.until(({ stderr }) => (stderr.includes('"waiting"') ? true : undefined));
  const dropped = client.request('tools/call', { name: 'big', arguments: { mib: 33 } });
  const notice = await gateway.until((each) => each.logs().find(({ msg }) => String(msg).includes('was dropped')));
  expect(notice).toMatchObject({ server: 'box', waiting: ['tools/call', 'tools/call'] });
  // Nobody can tell whose answer it was: both go on waiting, here until their session ends.
  expect((await gatewayStatus(gateway.origin, gateway.authorization)).requestsInFlight).toBe(2);
  await endSession(gateway.url('box'), gateway.authorization, client);
  await Promise.all([waiting, dropped]);
});

it('the caller of a container that dies sees nothing of its stderr; the log has it', async () => {
  await using gateway = await shell();
  const client = await rawClient(gateway.url('box'), gateway.authorization);
  const { answer, body } = await client.request('tools/call', { name: 'die' });
  expect(answer.error).toMatchObject({ message: 'Server "box" exited with status 3.', data: { server: 'box' } });
  expect(body).not.toContain('token');
  await gateway.until(({ stderr }) => (stderr.includes('the token of somebody else') ? true : undefined));
});
