/** The bench itself: it holds what is right to be right, and one wrong answer makes a run fail. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { runScript, type GatewayProcess } from '../rig/gateway-process.ts';

const BENCH = fileURLToPath(new URL('../../bench/main.ts', import.meta.url));
const PATTERN = Array.from({ length: 4_096 }, (_, index) => String.fromCodePoint(97 + (index % 23))).join('');
const compilerMissing = spawnSync('gcc', ['--version']).status !== 0;

interface Call {
  readonly id: number;
  readonly params: { readonly arguments: { readonly nonce: string; readonly size: number } };
}

/** A gateway that answers as one should, but for the texts that `spoil` changes. */
async function startPeer(spoil: (text: string, id: number) => string): Promise<AsyncDisposable & { url: string }> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { id, params } = JSON.parse(Buffer.concat(chunks).toString()) as Call;
      const text = spoil(params.arguments.nonce + PATTERN.slice(0, params.arguments.size), id);
      const result = { content: [{ type: 'text', text }] };
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ jsonrpc: '2.0', id, result }));
    });
  });
  // The default of five seconds would close connections under a run that has to wait.
  server.keepAliveTimeout = 60_000;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Measures these peers and nothing else. */
function bench(...peers: readonly string[]): GatewayProcess {
  const chosen = peers.flatMap((peer) => ['--peer', peer]);
  return runScript([BENCH, '--only', 'small', '--contender', 'none', '--quick', '--rounds', '1', ...chosen]);
}

const right = (text: string): string => text;

describe.skipIf(compilerMissing)('npm run bench', () => {
  it('measures what answers rightly', async () => {
    await using peer = await startPeer(right);
    await using run = bench(`right=${peer.url}`);
    expect(await run.exited).toMatchObject({ status: 0 });
    expect(run.stdout).toMatch(/^\| right \| [\d,]+ \|/m);
    expect(run.stdout).not.toContain('does not hold');
  });

  it.each([
    [
      'one letter of one answer in five hundred',
      (text: string, id: number) => (id % 500 === 7 ? `${text.slice(0, -1)}~` : text),
    ],
    [
      'an answer for somebody else',
      (text: string, id: number) => (id % 500 === 7 ? `0${text.slice(1, 16)}${text.slice(16)}x` : text),
    ],
    ['an answer that is too short', (text: string) => text.slice(0, -1)],
  ])('fails when there is %s', async (_, spoil) => {
    await using good = await startPeer(right);
    await using bad = await startPeer(spoil);
    await using run = bench(`good=${good.url}`, `bad=${bad.url}`);
    expect(await run.exited).toMatchObject({ status: 1 });
    expect(run.stdout).toContain('bad does not hold');
    expect(run.stdout).not.toContain('good does not hold');
    expect(run.stderr).toContain('figures do not hold: small');
  });

  it('says which workloads there are', async () => {
    await using run = runScript([BENCH, '--only', 'nonsense']);
    expect(await run.exited).toMatchObject({ status: 1 });
    expect(run.stderr).toContain('there is no workload or group "nonsense"; see --help');
  });
});
