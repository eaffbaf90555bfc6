import { once } from 'node:events';
import { createServer, request, type IncomingMessage } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { createEgressProxy } from './egress-proxy.ts';

interface Parts extends AsyncDisposable {
  readonly proxy: number;
  readonly site: number;
  readonly refused: string[];
}

/** A site that answers with what it was asked, and a proxy before it. */
async function start(allow: (site: number) => readonly string[], names: Record<string, string[]> = {}): Promise<Parts> {
  const refused: string[] = [];
  const site = createServer((incoming, outgoing) => {
    outgoing.end(`${incoming.method ?? ''} ${incoming.url ?? ''} ${JSON.stringify(incoming.headers)}`);
  }).listen(0, '127.0.0.1');
  await once(site, 'listening');
  const { port } = site.address() as AddressInfo;
  const proxy = createEgressProxy({
    allow: allow(port),
    resolve: (host) => Promise.resolve(names[host] ?? []),
    onRefused: (line) => refused.push(line),
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  return {
    proxy: (proxy.address() as AddressInfo).port,
    site: port,
    refused,
    async [Symbol.asyncDispose]() {
      for (const one of [proxy, site]) {
        one.closeAllConnections();
        one.close();
      }
      await Promise.all([once(proxy, 'close'), once(site, 'close')]);
    },
  };
}

async function get(proxy: number, url: string, headers: Record<string, string> = {}): Promise<[number, string]> {
  const asked = request({ host: '127.0.0.1', port: proxy, path: url, headers, agent: false });
  asked.end();
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  let text = '';
  for await (const piece of answer.setEncoding('utf8')) text += String(piece);
  return [answer.statusCode ?? 0, text];
}

async function raw(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.write(text);
  let answer = '';
  for await (const piece of socket.setEncoding('utf8')) {
    answer += String(piece);
    if (answer.includes('"host"') || answer.includes('listed hosts')) break;
  }
  return answer;
}

describe('the egress proxy', () => {
  it('passes requests on to a listed host, without what was meant for itself', async () => {
    await using parts = await start((port) => [`127.0.0.1:${port}`]);
    const [status, text] = await get(parts.proxy, `http://127.0.0.1:${parts.site}/a?b=c`, {
      host: 'other.example',
      'proxy-authorization': 'Basic c2VjcmV0',
    });
    expect(status).toBe(200);
    expect(text).toContain('GET /a?b=c ');
    expect(text).toContain(`"host":"127.0.0.1:${parts.site}"`);
    expect(text).not.toContain('c2VjcmV0');
  });

  it('passes bytes through a tunnel to a listed host', async () => {
    await using parts = await start((port) => [`127.0.0.1:${port}`]);
    const asked = `CONNECT 127.0.0.1:${parts.site} HTTP/1.1\r\nHost: x\r\n\r\nGET /through HTTP/1.1\r\nHost: inner\r\n\r\n`;
    const answer = await raw(parts.proxy, asked);
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(answer).toContain('GET /through');
  });

  it('refuses every other host, says why, and tells the operator', async () => {
    await using parts = await start(() => ['api.example.com']);
    const [status, text] = await get(parts.proxy, `http://127.0.0.1:${parts.site}/`);
    expect(status).toBe(403);
    expect(text).toContain('is not in the list "network.allow"');
    expect(await raw(parts.proxy, `CONNECT 127.0.0.1:${parts.site} HTTP/1.1\r\nHost: x\r\n\r\n`)).toMatch(
      /^HTTP\/1\.1 403 /,
    );
    expect(parts.refused).toHaveLength(2);
  });

  it('does not follow a listed name to the metadata service or to the host', async () => {
    await using parts = await start((port) => [`api.example.com:${port}`, `.example.org:${port}`], {
      'api.example.com': ['169.254.169.254', '127.0.0.1'],
      'a.example.org': ['172.17.0.1'],
    });
    for (const host of ['api.example.com', 'a.example.org']) {
      const [status, text] = await get(parts.proxy, `http://${host}:${parts.site}/`);
      expect([status, text]).toEqual([403, expect.stringContaining('stands for an address inside')]);
    }
  });

  it.each(['/relative', 'https://127.0.0.1/', 'ftp://127.0.0.1/', 'http://user@[::1/'])('refuses %s', async (url) => {
    await using parts = await start(() => ['127.0.0.1']);
    const [status] = await get(parts.proxy, url);
    expect(status).toBe(400);
  });
});
