/** `node bench/stalls.ts`: the longest stall of the event loop of a gateway while it is sent, and answered with, JSON of hostile shapes. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startGateway } from '../test/rig/gateway.ts';

const MIB = 1024 * 1024;
const META =
  '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}';
const LIST = '"resultType":"complete","ttlMs":60000,"cacheScope":"public"';
const DISCOVERED = `{${LIST},"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}}}`;

/** The set B4, each of about the size that a message may have. */
const SHAPES: readonly { readonly name: string; readonly value: () => string }[] = [
  { name: 'depth 1,000', value: () => nested(1_000) },
  { name: 'depth 10,000', value: () => nested(10_000) },
  { name: 'depth 1,000,000', value: () => nested(1_000_000) },
  { name: '90,000 keys', value: () => `{${keys(90_000)}}` },
  { name: '1,000,000 keys', value: () => `{${keys(1_000_000)}}` },
  { name: '45,000 objects of one key each', value: () => `[${objects(45_000)}]` },
  { name: '15 MiB of integers', value: () => `[${'7,'.repeat(7.5 * MIB)}7]` },
  { name: 'a number of 15 MiB', value: () => '9'.repeat(15 * MIB) },
  { name: '1e400 and lone surrogates', value: () => `["\\ud800",${'1e400,'.repeat(90_000)}1]` },
  { name: 'a string of 15 MiB', value: () => `"${'x'.repeat(15 * MIB)}"` },
  { name: '15 MiB of escapes', value: () => `"${String.raw`\u00e9`.repeat(2.5 * MIB)}"` },
  { name: 'a string of 15 MiB, not ASCII', value: () => `"${'é'.repeat(7.5 * MIB)}"` },
  { name: 'doubled keys', value: () => `{${'"a":1,'.repeat(90_000)}"a":1}` },
];

const directory = mkdtempSync(join(tmpdir(), 'gatehouse-stalls-'));
const delays = join(directory, 'delays');
const probe = join(directory, 'probe.cjs');
// Inside the gateway: only there the delay of its loop can be told from that of the machine.
writeFileSync(
  probe,
  `const { monitorEventLoopDelay } = require('node:perf_hooks');
  const { writeFileSync } = require('node:fs');
  if (process.argv.includes('serve')) {
    const histogram = monitorEventLoopDelay({ resolution: 1 });
    histogram.enable();
    process.on('SIGUSR2', () => { writeFileSync(${JSON.stringify(delays)}, String(histogram.max / 1e6)); histogram.reset(); });
  }`,
);

let answer = '{}';
await using stack = new AsyncDisposableStack();
stack.defer(() => rmSync(directory, { recursive: true, force: true }));
const server = await listen();
stack.defer(() => void server.close());
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
const payloads = join(directory, 'payloads');

for (const [title, gatewayPart] of [
  ['answers passed on', {}],
  ['answers read by payload storage', { payloadDir: payloads }],
] as const) {
  await using gateway = await startGateway({
    config: { mcpServers: { web: { type: 'http', url } }, gateway: { maxBodyBytes: 16 * MIB, ...gatewayPart } },
    env: { NODE_OPTIONS: `--require ${probe}` },
  });
  const longest = async (): Promise<number> => {
    rmSync(delays, { force: true });
    process.kill(gateway.pid, 'SIGUSR2');
    for (let tries = 0; tries < 100; tries++) {
      await sleep(50);
      try {
        return Number(readFileSync(delays, 'utf8'));
      } catch {
        // Not written yet.
      }
    }
    throw new Error('the gateway does not answer');
  };
  const post = async (body: string): Promise<string> => {
    const headers = {
      authorization: gateway.authorization,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': 'tool',
    };
    try {
      const response = await fetch(gateway.url('web'), { method: 'POST', headers, body });
      const text = await response.text();
      const error = /"error":"(\w+)"/.exec(text.slice(-2_000))?.[1] ?? '';
      return `${response.status} ${error}`.trim();
    } catch {
      return 'cut';
    }
  };
  const call = (args: string): string =>
    `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{${META},"name":"tool","arguments":${args}}}`;
  for (let warm = 0; warm < 20; warm++) await post(call(`{"text":"${'x'.repeat(200_000)}"}`));
  await longest();
  const idle = await (async () => (await sleep(500), longest()))();
  console.log(`\n${title}; longest stall in ms (${idle.toFixed(1)} while nothing happens)\n`);
  console.log('| shape | sent by a client | | answered by a server | |\n|---|---:|---|---:|---|');
  for (const { name, value } of SHAPES) {
    const text = value();
    answer = '{"resultType":"complete","content":[]}';
    const sent = await post(call(text));
    const asked = await longest();
    answer = `{"resultType":"complete","content":[{"type":"text","text":"x"}],"value":${text}}`;
    const answered = await post(call('{}'));
    console.log(`| ${name} | ${asked.toFixed(1)} | ${sent} | ${(await longest()).toFixed(1)} | ${answered} |`);
  }
}
server.closeAllConnections();

function nested(depth: number): string {
  return `${'['.repeat(depth)}${']'.repeat(depth)}`;
}

function keys(count: number): string {
  return Array.from({ length: count }, (_, index) => `"key${index}":1`).join(',');
}

function objects(count: number): string {
  return Array.from({ length: count }, (_, index) => `{"key${index}":1}`).join(',');
}

async function listen(): Promise<Server> {
  const http = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString('latin1', 0, 400);
      const id = /"id":([^,}]+)/.exec(body)?.[1] ?? 'null';
      const result = body.includes('"server/discover"')
        ? DISCOVERED
        : body.includes('"tools/list"')
          ? `{${LIST},"tools":[]}`
          : answer;
      response.writeHead(request.method === 'POST' ? 200 : 405, { 'content-type': 'application/json' });
      response.end(`{"jsonrpc":"2.0","id":${id},"result":${result}}`);
    });
  });
  await new Promise<void>((resolve) => {
    http.listen(0, '127.0.0.1', resolve);
  });
  return http;
}
