/** Nothing of a request stays in the memory of the gateway until a full collection. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { startGateway } from '../../rig/gateway.ts';
import { modernClient } from '../modern-raw-client.ts';
import { rawClient } from '../raw-client.ts';
import { startByteServer, type ByteCall } from './byte-server.ts';

const CALLS = 6_000;
const AT_ONCE = 16;
/** Code that is compiled meanwhile and what is remembered on purpose stay below; a request that stays takes thousands. */
const MAX_BYTES_PER_CALL = 500;
const PRELOADED = fileURLToPath(new URL('collections-preload.ts', import.meta.url));
const RESULT = '"resultType":"complete","content":[{"type":"text","text":"done"}]';

function json({ id, response }: ByteCall): void {
  response
    .writeHead(200, { 'content-type': 'application/json' })
    .end(`{"jsonrpc":"2.0","id":${id},"result":{${RESULT}}}`);
}

function events({ id, response }: ByteCall): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write('data: {"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}\n\n');
  response.end(`data: {"jsonrpc":"2.0","id":${id},"result":{${RESULT}}}\n\n`);
}

it.each([
  { clients: 'modern', server: 'JSON', answer: json },
  { clients: 'modern', server: 'event streams', answer: events },
  { clients: 'legacy', server: 'JSON', answer: json },
  // What is kept for those who come back is bytes in a ring, which are no part of it.
  { clients: 'legacy', server: 'event streams', answer: events },
])('calls of $clients clients to a server that answers with $server leave nothing behind', async (row) => {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-test-'));
  const file = join(folder, 'collections.json');
  try {
    await using server = await startByteServer(row.answer);
    await using gateway = await startGateway({
      config: { mcpServers: { web: { type: 'http', url: server.url } } },
      env: { NODE_OPTIONS: `--import ${PRELOADED}`, GATEHOUSE_TEST_COLLECTIONS: file },
    });
    const told = async (member: string): Promise<Record<string, number>> => {
      process.kill(gateway.pid, 'SIGUSR2');
      return expect
        .poll(async () => JSON.parse(await readFile(file, 'utf8').catch(() => '{}')) as object)
        .toHaveProperty(member)
        .then(async () => JSON.parse(await readFile(file, 'utf8')) as Record<string, number>);
    };
    const url = gateway.url('web');
    const callers = await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        if (row.clients === 'modern') return modernClient(url, gateway.authorization);
        const client = await rawClient(url, gateway.authorization);
        return (method: string, params: object) => client.request(method, params);
      }),
    );
    const calls = async (each: number): Promise<void> => {
      const all = callers.map(async (call) => {
        for (let done = 0; done < each; done++) {
          const { body } = await call('tools/call', { name: 'tool', arguments: { text: 'x'.repeat(200) } });
          expect(body).toContain('"done"');
        }
      });
      await Promise.all(all);
    };
    await calls(100);
    await told('begun');
    await calls(CALLS / AT_ONCE);
    const { collections = 0, gained = Infinity } = await told('collections');
    expect(collections).toBeGreaterThan(3);
    expect(gained / CALLS).toBeLessThan(MAX_BYTES_PER_CALL);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
