import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { describe, expect, it } from 'vitest';
import { dockerMissing } from '../../../../test/rig/docker.ts';
import { engineSays, left, newHost, shellServer, Wire } from './containers.ts';

/** Runs each line that it is sent as a shell command. */
const SHELL = 'while IFS= read -r line; do sh -c "$line" 2>&1 | tr "\\n" "~"; echo; done';

/**
 * Asks the proxy that the variables name; the static busybox cannot, because it looks up names on the way. What it asks
 * has no end (the pipe stays open), so it is the other side that ends the connection, however long that takes.
 */
function ask(...lines: string[]): string {
  const asked = lines.map((line) => `${line} HTTP/1.0\\r\\n\\r\\n`).join('');
  return `p=\${HTTP_PROXY#http://}; mkfifo /asked 2>/dev/null; exec 3<>/asked; printf '${asked}' >&3; timeout 60 nc \${p%:*} \${p#*:} <&3; echo end`;
}

const fetch = (url: string): string => ask(`GET ${url}`);

/** A site on the host that containers reach under an address of the machine. */
async function hostSite(): Promise<AsyncDisposable & { readonly host: string; readonly port: number }> {
  const host = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
  if (host === undefined) throw new Error('this machine has no address');
  const site = createServer((_incoming, outgoing) => void outgoing.end('the site')).listen(0, '0.0.0.0');
  await once(site, 'listening');
  return {
    host,
    port: (site.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      site.closeAllConnections();
      site.close();
      await once(site, 'close');
    },
  };
}

describe.skipIf(dockerMissing())('a server with an allow-list of hosts', () => {
  it('reaches a listed host through the proxy, and nothing else in any way', { timeout: 300_000 }, async () => {
    await using site = await hostSite();
    await using host = newHost();
    const server = await shellServer({
      name: 'listed',
      script: SHELL,
      network: { allow: [`${site.host}:${site.port}`, 'api.example.com'] },
    });
    await using wire = new Wire(host, server);
    await wire.open();
    const direct = (address: string, port: number): string =>
      `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | timeout 3 nc -w 2 ${address} ${port} || echo no`;

    // Through the proxy, as programs do that obey the variables.
    expect(await wire.ask(fetch(`http://${site.host}:${site.port}/`))).toContain('the site');
    expect(await wire.ask(fetch(`http://${site.host}:22/`))).toContain(' 403 ');
    expect(await wire.ask(fetch('http://example.org/'))).toContain(' 403 ');
    expect(await wire.ask(fetch('http://169.254.169.254/latest/meta-data/'))).toContain(' 403 ');

    expect(await wire.ask(ask('CONNECT 169.254.169.254:80'))).toContain(' 403 ');
    expect(await wire.ask(ask(`CONNECT ${site.host}:${site.port}`, 'GET /'))).toMatch(/^\S+ 200 [^]*the site/);

    // Around it: the host's address is right and its port is open, and still nothing answers.
    expect(await wire.ask(direct(site.host, site.port))).not.toContain('the site');
    expect(await wire.ask(direct('169.254.169.254', 80))).toMatch(/no~$/);
    expect(await wire.ask(direct('1.1.1.1', 443))).toMatch(/no~$/);
    // The first address of a network is the host's in others, and the one that the routes of this one name.
    const own = /inet (\d+\.\d+\.\d+\.\d+)/.exec(await wire.ask('ip -4 -o addr show eth0'))?.[1] ?? '';
    const gateway = /via (\S+)/.exec(await wire.ask('ip route; echo'))?.[1] ?? own.replace(/\d+$/, '1');
    expect(own).toMatch(/^(?:10|172|192)\./);
    expect(await wire.ask(direct(gateway, site.port))).not.toContain('the site');
    // No names: neither from the engine's name server nor from another one.
    for (const asked of ['', '1.1.1.1'])
      expect(
        await wire.ask(`timeout 3 nslookup example.com ${asked} >/dev/null 2>&1 && echo resolved || echo no`),
      ).toBe('no~');
    expect(await wire.ask('cat /proc/net/if_inet6 | grep -vc " lo$"')).toBe('0~');

    await wire.transport.close();
    expect(await left(host)).toEqual([]);
  });

  it(
    'keeps its way out when the proxy dies, and shares it with its other containers',
    { timeout: 300_000 },
    async () => {
      await using site = await hostSite();
      await using host = newHost();
      const server = await shellServer({
        name: 'listed',
        script: SHELL,
        network: { allow: [`${site.host}:${site.port}`] },
      });
      await using one = new Wire(host, server);
      await using two = new Wire(host, server);
      await Promise.all([one.open(), two.open()]);
      const url = `http://${site.host}:${site.port}/`;
      expect(await one.ask(fetch(url))).toContain('the site');
      expect(await two.ask(fetch(url))).toContain('the site');
      expect((await left(host)).sort()).toEqual([
        ...Array.from({ length: 3 }, () => 'container listed'),
        'network listed',
        'network listed',
      ]);
      const filter = `label=gatehouse.instance=${host.instance.id}`;
      const all = await engineSays(host.engine, 'ps', '--filter', filter, '--format', '{{.Names}} {{.Image}}');
      const proxy = /(\S+) \S*gatehouse-egress/.exec(all)?.[1] ?? '';
      await engineSays(host.engine, 'kill', proxy);
      await expect.poll(() => two.ask(fetch(url)), { interval: 250, timeout: 120_000 }).toContain('the site');
      await Promise.all([one.transport.close(), two.transport.close()]);
      expect(await left(host)).toEqual([]);
    },
  );
});
