/** One way out: whatever opens a connection does so through the Connector, or stands here with its reason. */
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** What can open a connection, by the module that it comes from; `*` = whatever is imported. */
const OPENERS: Readonly<Record<string, readonly string[]>> = {
  undici: ['*'],
  pg: ['*'],
  ws: ['WebSocket', 'default', 'createWebSocketStream'],
  'node:http': ['request', 'get', 'Agent', 'globalAgent', 'ClientRequest', '*'],
  'node:https': ['request', 'get', 'Agent', 'globalAgent', '*'],
  'node:http2': ['*'],
  'node:net': ['connect', 'createConnection', 'Socket', 'Stream', '*'],
  'node:tls': ['connect', '*'],
  'node:dgram': ['*'],
  'node:dns': ['*'],
  'node:dns/promises': ['*'],
};
const GLOBALS = /(?<![.\w#])(?:fetch|WebSocket|EventSource|XMLHttpRequest)\s*\(/;

/** Each opener in the sources, with the reason why it is there. */
const ALLOWED: Readonly<Record<string, string>> = {
  'src/upstream/http/connector.ts undici': 'the way out itself',
  'src/upstream/http/guarded-connect.ts undici': 'part of the Connector: tunnels through a proxy to judged addresses',
  'src/upstream/http/guarded-connect.ts node:dns':
    'part of the Connector: looks names up and judges what they stand for',
  'src/upstream/container/egress-proxy.ts node:http': 'runs in the container of the egress proxy, for containers',
  'src/upstream/container/egress-proxy.ts node:dns/promises':
    'runs in the container of the egress proxy, for containers',
  'src/upstream/container/egress-proxy.ts node:net': 'runs in the container of the egress proxy, for containers',
  'src/tls/probe.ts node:tls': 'asks the own listener which certificate it serves',
  'src/cluster/owner-door.ts node:net': 'a Unix socket of our own: asks whether another gateway still listens on one',
  'src/cluster/owner-link.ts node:net': 'a Unix socket of our own: from a worker to its owner',
  'src/tls/private-handshake.ts node:tls': 'both ends are in this process, over no socket',
};
/** The database is no server of ours and no URL that others supply: its driver connects to what DATABASE_URL names. */
const DATABASE = /^src\/store\/.* pg$/;

it('T-TLS-002 every connection goes out through the Connector, and a new way out fails here', async () => {
  const found = new Set<string>();
  for (const path of await sources()) {
    const text = await readFile(join(ROOT, path), 'utf8');
    for (const opener of openersIn(text)) found.add(`${path} ${opener}`);
  }
  const unknown = [...found].filter((each) => !(each in ALLOWED) && !DATABASE.test(each));
  expect(unknown).toEqual([]);
  // What is gone must not stay allowed.
  expect(Object.keys(ALLOWED).filter((each) => !found.has(each))).toEqual([]);
});

it.each([
  ["import { request } from 'node:https';", 'node:https'],
  ["import { type Agent, get as load } from 'node:http';", 'node:http'],
  ["import * as net from 'node:net';", 'node:net'],
  ["import tls from 'node:tls';", 'node:tls'],
  ["import { connect } from 'net';", 'node:net'],
  ["import { fetch } from 'undici';", 'undici'],
  ["const { connect } = await import('node:http2');", 'node:http2'],
  ["const { request } = require('node:http');", 'node:http'],
  ["export { Agent } from 'undici';", 'undici'],
  ['const answer = await fetch(url);', 'a global'],
  ['const socket = new WebSocket(url);', 'a global'],
])('the search finds %s', (line, opener) => {
  expect(openersIn(line)).toEqual([opener]);
});

it.each([
  "import type { Agent } from 'undici';",
  "import { type Socket, isIP } from 'node:net';",
  "import { createServer } from 'node:http';",
  "import { WebSocketServer } from 'ws';",
  "import { createSecureContext } from 'node:tls';",
  'const listing = this.#fetch(row);',
  'const text = await cache.fetch(key);',
])('the search passes over %s', (line) => {
  expect(openersIn(line)).toEqual([]);
});

function openersIn(text: string): readonly string[] {
  const found = new Set<string>();
  for (const [, isType, clause = '', module = ''] of text.matchAll(
    /(?:^|\n)\s*(?:import|export)\s+(type\s+)?([^'";]*?)\s*from\s*['"]([^'"]+)['"]/g,
  )) {
    const openers = OPENERS[qualified(module)];
    if (isType !== undefined || openers === undefined) continue;
    if (namesIn(clause).some((name) => openers.includes(name) || (openers[0] === '*' && name !== '')))
      found.add(qualified(module));
  }
  for (const [, module = ''] of text.matchAll(/(?:import|require)\s*\(\s*['"]([^'"]+)['"]\s*\)/g)) {
    if (qualified(module) in OPENERS) found.add(qualified(module));
  }
  const code = text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$|`[^`]*`|'[^'\n]*'/gm, '');
  if (GLOBALS.test(code)) found.add('a global');
  return [...found];
}

/** Names of values that an import clause brings in; `*` for a namespace or a default, which bring everything. */
function namesIn(clause: string): readonly string[] {
  const [, inBraces = ''] = /\{([\s\S]*)\}/.exec(clause) ?? [];
  const outside = clause
    .replace(/\{[\s\S]*\}/, '')
    .replaceAll(',', '')
    .trim();
  const named = inBraces
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '' && !each.startsWith('type '))
    .map((each) => each.split(/\s+as\s+/)[0] ?? '');
  return outside === '' ? named : [...named, '*'];
}

function qualified(module: string): string {
  return `node:${module}` in OPENERS ? `node:${module}` : module;
}

/** What runs in production. */
async function sources(): Promise<string[]> {
  const files = await readdir(join(ROOT, 'src'), { recursive: true, withFileTypes: true });
  const paths = files.filter((file) => file.isFile()).map((file) => relative(ROOT, join(file.parentPath, file.name)));
  return paths.filter((path) => path.endsWith('.ts') && !path.endsWith('.test.ts') && !path.includes('/test/'));
}
