import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { createServer, type Server } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../../src/config/load.ts';
import { readStable } from '../../../src/tls/read-stable.ts';
import { loadUpstream, PLAIN_IDENTITY, UpstreamIdentity } from '../../../src/tls/upstream-identity.ts';
import { schemaFetcher } from '../../../src/upstream/http/schema-fetcher.ts';

let directory: string;
let key: string;
let certificate: string;
/** Trusts the certificate of the servers here. */
let trusting: UpstreamIdentity;
const servers: Server[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gatehouse-schema-'));
  const [keyFile, certificateFile] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  await promisify(execFile)('openssl', [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-days',
    '2',
    '-subj',
    '/CN=localhost',
    '-addext',
    'subjectAltName=DNS:localhost,IP:127.0.0.1',
    '-keyout',
    keyFile,
    '-out',
    certificateFile,
  ]);
  [key, certificate] = await Promise.all([readFile(keyFile, 'utf8'), readFile(certificateFile, 'utf8')]);
  const config = { ...PLAIN_IDENTITY, ca: certificate, systemCa: false };
  trusting = new UpstreamIdentity(config, await loadUpstream(config, await readStable([])));
});

afterEach(async () => {
  await Promise.all(
    servers.splice(0).map(
      (server) =>
        new Promise<void>((resolve) => {
          server.close(() => resolve());
          server.closeAllConnections();
        }),
    ),
  );
});

afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
});

async function serve(listener: RequestListener): Promise<URL> {
  const server = createServer({ key, cert: certificate }, listener);
  servers.push(server);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  return new URL(`https://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}/schema.json`);
}

describe('schemaFetcher', () => {
  it('T-CFG-014 fetches over TLS from a server that it trusts', async () => {
    const url = await serve((_request, response) => response.end('{"type":"object"}'));
    expect(await schemaFetcher({ identity: trusting })(url)).toBe('{"type":"object"}');
  });

  it('refuses a server that it does not trust', async () => {
    const url = await serve((_request, response) => response.end('{}'));
    await expect(schemaFetcher({ retryDelaysMs: [] })(url)).rejects.toThrow(/self-signed/);
  });

  it('tries three times', async () => {
    let requests = 0;
    const url = await serve((_request, response) => {
      requests += 1;
      response.writeHead(requests < 3 ? 503 : 200).end('{}');
    });
    expect(await schemaFetcher({ identity: trusting, retryDelaysMs: [1, 1] })(url)).toBe('{}');
    expect(requests).toBe(3);
  });

  it('gives up after the third try, and at once where another try cannot help', async () => {
    let requests = 0;
    let status = 500;
    const url = await serve((_request, response) => {
      requests += 1;
      response.writeHead(status).end();
    });
    const fetchSchema = schemaFetcher({ identity: trusting, retryDelaysMs: [1, 1] });
    await expect(fetchSchema(url)).rejects.toThrow('failed after 3 tries: HTTP status 500');
    expect(requests).toBe(3);
    status = 404;
    await expect(fetchSchema(url)).rejects.toThrow('failed after 1 try: HTTP status 404');
    expect(requests).toBe(4);
  });

  it('bounds the size of the answer', async () => {
    const url = await serve((_request, response) => response.end('x'.repeat(5000)));
    await expect(schemaFetcher({ identity: trusting, maxBytes: 4999 })(url)).rejects.toThrow('larger than 4999 bytes');
  });

  it('bounds the time of a try', async () => {
    const url = await serve(() => undefined);
    await expect(schemaFetcher({ identity: trusting, timeoutMs: 50, retryDelaysMs: [] })(url)).rejects.toThrow(
      'took too long',
    );
  });

  it('follows redirects, but never to another origin, to an address without TLS, or in circles', async () => {
    const url = await serve((request, response) => {
      const target = {
        '/schema.json': '/moved',
        '/moved': undefined,
        '/plain': 'http://127.0.0.1:9/',
        '/away': 'https://127.0.0.2/schema.json',
        '/circle': '/circle',
      }[request.url ?? ''];
      if (target === undefined) response.end('{"moved":true}');
      else response.writeHead(302, { location: target }).end();
    });
    const fetchSchema = schemaFetcher({ identity: trusting });
    expect(await fetchSchema(url)).toBe('{"moved":true}');
    await expect(fetchSchema(new URL('/plain', url))).rejects.toThrow('does not use HTTPS');
    await expect(fetchSchema(new URL('/away', url))).rejects.toThrow('redirects to another origin, https://127.0.0.2');
    await expect(fetchSchema(new URL('/circle', url))).rejects.toThrow('redirects more than');
  });

  it('T-CFG-012 serves the schema that a custom server is checked against', async () => {
    const url = await serve((_request, response) =>
      response.end(
        JSON.stringify({
          $schema: 'https://json-schema.org/draft/2020-12/schema',
          required: ['flavour'],
          properties: { flavour: { enum: ['sweet'] } },
        }),
      ),
    );
    const load = (flavour: string): ReturnType<typeof loadConfig> =>
      loadConfig({
        source: {
          kind: 'json',
          name: '<stdin>',
          text: JSON.stringify({
            mcpServers: { a: { type: 'mine', container: 'mcp/time', flavour } },
            gateway: { port: 8080, domain: 'localhost', agentId: 'x' },
            customSchemas: { mine: url.href },
          }),
        },
        env: {},
        fetchSchema: schemaFetcher({ identity: trusting }),
      });
    expect(await load('sweet')).toMatchObject({ ok: true, config: { servers: [{ customType: 'mine' }] } });
    expect(await load('sour')).toMatchObject({ ok: false, errors: [{ path: 'mcpServers.a.flavour' }] });
  });
});
