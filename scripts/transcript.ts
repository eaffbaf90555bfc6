/**
 * `npm run transcript`: a federation of three servers, and in it a modern client that is asked something by a legacy
 * server in a container, and a legacy client that is asked something by a modern server. Prints every message, as the
 * client and as the server saw it.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startConformanceServer } from '../test/fixtures/servers/conformance/http.ts';
import { startNeighbour } from '../test/fixtures/servers/conformance/neighbour.ts';
import { startGateway } from '../test/rig/gateway.ts';
import { conformanceImage } from '../test/rig/images.ts';
import { obtainDocker } from './setup/install-docker.ts';
import { legacyElicitation, modernElicitation, type Entry } from './transcript/elicitations.ts';
import { serverEntries } from './transcript/server-entries.ts';

await using parts = new AsyncDisposableStack();
const docker = await obtainDocker();
if ('reason' in docker) throw new Error(`the legacy server of this transcript is a container: ${docker.reason}`);
parts.use(docker);
const logs = await mkdtemp(join(tmpdir(), 'gatehouse-transcript-'));
parts.defer(async () => rm(logs, { recursive: true, force: true }));
const modern = parts.use(await startNeighbour());
const dual = parts.use(await startConformanceServer('dual'));
const gateway = parts.use(
  await startGateway({
    config: {
      mcpServers: {
        old: { container: await conformanceImage(), entrypointArgs: ['legacy'] },
        young: { type: 'http', url: modern.url },
        both: { type: 'http', url: dual.url },
      },
    },
    args: ['--unified', '--log-dir', logs],
  }),
);

const scenes: readonly (readonly [title: string, server: string, play: () => Promise<readonly Entry[]>])[] = [
  [
    'A modern client (2026-07-28) calls a tool of a legacy server (2025-11-25) in a container, which asks the user.',
    'old',
    () => modernElicitation(gateway.url(), gateway.authorization),
  ],
  [
    'A legacy client (2025-11-25) calls a tool of a modern server (2026-07-28), which asks the user.',
    'young',
    () => legacyElicitation(gateway.url(), gateway.authorization),
  ],
];
for (const [title, server, play] of scenes) {
  const before = serverEntries(await recorded(), server).length;
  const entries = await play();
  console.log(`\n## ${title}\n\nThe client and the gateway:\n`);
  for (const { from, text } of entries) console.log(`  ${from.padEnd(8)} ${text}`);
  console.log(`\nThe gateway and the server "${server}":\n`);
  for (const { from, text } of await serverSide(before, server)) console.log(`  ${from.padEnd(8)} ${text}`);
}

async function recorded(): Promise<string> {
  return readFile(join(logs, 'rpc-messages.jsonl'), 'utf8').catch(() => '');
}

/** The record is written a little later than the messages pass: waits until the last answer of the server is in it. */
async function serverSide(before: number, server: string): Promise<readonly Entry[]> {
  for (;;) {
    const entries = serverEntries(await recorded(), server).slice(before);
    const last = entries.at(-1);
    if (last?.from === 'server' && last.text.includes('"content"')) return entries;
    await sleep(50);
  }
}
