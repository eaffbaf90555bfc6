/** What an operator sees when something is wrong at the start. */
import { createServer } from 'node:net';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { spawnGateway, startGateway } from '../../rig/gateway.ts';
import { startFakeServer } from './fake-server.ts';
import { gatewayStatus } from './session-stream.ts';
import { deadUrl } from '../../rig/dead-url.ts';

it('the health stays bad for as long as a dead server is tried again', async () => {
  await using gateway = await startGateway({
    config: { mcpServers: { web: { type: 'http', url: await deadUrl() } }, gateway: { startup: 'resilient' } },
  });
  await expect.poll(async () => (await fetch(`${gateway.origin}/ready`)).status).toBe(200);
  const seen = new Set<unknown>();
  // The first attempts follow each other within the first second.
  for (let look = 0; look < 60; look++) {
    const health = (await (await fetch(`${gateway.origin}/health`)).json()) as Record<string, unknown>;
    seen.add(health['status']);
    const { servers } = await gatewayStatus(gateway.origin, gateway.authorization);
    seen.add(servers[0]?.state);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  expect(seen).toEqual(new Set(['unhealthy', 'unreachable']));
});

it('a port in use is told in a sentence with a remedy, before any server is spoken to', async () => {
  await using server = await startFakeServer();
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const address = taken.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  await using run = await spawnGateway({
    args: ['--listen', `127.0.0.1:${port}`],
    config: { mcpServers: { web: { type: 'http', url: server.url } } },
  });
  expect(await run.exited).toMatchObject({ status: 1 });
  expect(run.stderr).toMatch(/127\.0\.0\.1:\d+ is already in use\. Stop the program .* --listen HOST:PORT/);
  expect(server.messages).toEqual([]);
  taken.close();
  await once(taken, 'close');
});

it('no line of the log names a member twice', async () => {
  await using gateway = await startGateway({
    config: { mcpServers: { web: { type: 'http', url: await deadUrl() } }, gateway: { startup: 'resilient' } },
  });
  await gateway.until(({ stderr }) => (stderr.includes('the server is unreachable') ? true : undefined));
  await gateway.stop();
  const lines = gateway.stderr.split('\n').filter((line) => line.startsWith('{'));
  expect(lines.some((line) => line.includes('"server":"web"'))).toBe(true);
  expect(lines.filter((line) => line.split('"server":').length > 2)).toEqual([]);
});
