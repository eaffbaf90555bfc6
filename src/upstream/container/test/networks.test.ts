import { describe, expect, it } from 'vitest';
import { dockerMissing } from '../../../../test/rig/docker.ts';
import type { ContainerHost } from '../container-host.ts';
import { containerOf, engineSays, left, newHost, shellServer, Wire } from './containers.ts';

/** Serves one word on port 8080 and runs each line that it is sent as a shell command. */
const NEIGHBOUR = `(while :; do echo neighbour | nc -l -p 8080 >/dev/null || sleep 1; done) &
while IFS= read -r line; do sh -c "$line" 2>&1 | tr "\\n" "~"; echo; done`;

async function neighbour(host: ContainerHost, name: string): Promise<Wire> {
  const wire = new Wire(host, await shellServer({ name, network: 'isolated', script: NEIGHBOUR }));
  await wire.open();
  expect(await wire.ask('echo ready')).toBe('ready~');
  return wire;
}

async function addressOf(host: ContainerHost, server: string): Promise<string> {
  const format = '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}';
  return engineSays(host.engine, 'container', 'inspect', '--format', format, await containerOf(host, server));
}

/** Answers `neighbour~` when the port can be reached. */
const visit = (address: string): string => `nc -w 3 ${address} 8080 </dev/null || echo unreachable`;

describe.skipIf(dockerMissing())('networks of servers', () => {
  it('T-ISO-004 let no server reach another one, nor another container of its own', async () => {
    await using host = newHost();
    await using one = await neighbour(host, 'one');
    await using two = await neighbour(host, 'two');
    const addressOfOne = await addressOf(host, 'one');
    // The address is right and the port is open: the container itself reaches it.
    expect(await one.ask(visit(addressOfOne))).toBe('neighbour~');
    expect(await two.ask(visit(addressOfOne))).toMatch(/unreachable~$/);
    await using sameServer = await neighbour(host, 'one');
    expect(await sameServer.ask(visit(addressOfOne))).toMatch(/unreachable~$/);
    expect((await left(host)).sort()).toEqual([
      'container one',
      'container one',
      'container two',
      'network one',
      'network two',
    ]);
  });

  it('T-ISO-004 leave a server alone with itself when it has none', async () => {
    await using host = newHost();
    await using wire = new Wire(host, await shellServer({ network: 'none', script: NEIGHBOUR }));
    await wire.open();
    expect(await wire.ask('ip route | wc -l')).toBe('0~');
    expect(await left(host)).toEqual([`container ${wire.server}`]);
  });

  it('are shared by the containers of a server, and go with the last of them', async () => {
    await using host = newHost();
    const server = await shellServer({ network: 'isolated' });
    const wires = Array.from({ length: 3 }, () => new Wire(host, server));
    await Promise.all(wires.map((wire) => wire.open()));
    await Promise.all(wires.map((wire) => wire.ask('{}')));
    expect((await left(host)).filter((one) => one.startsWith('network'))).toEqual([`network ${server.name}`]);
    const [last, ...others] = wires;
    await Promise.all(others.map((wire) => wire.transport.close()));
    expect((await left(host)).sort()).toEqual([`container ${server.name}`, `network ${server.name}`]);
    expect(await last?.ask('still here')).toBe('still here');
    await last?.transport.close();
    expect(await left(host)).toEqual([]);
  });

  it('survive containers that come and go at once', async () => {
    await using host = newHost();
    const server = await shellServer({ network: 'isolated' });
    for (let round = 0; round < 3; round += 1) {
      await using first = new Wire(host, server);
      await first.open();
      const closing = first.transport.close();
      await using second = new Wire(host, server);
      await second.open();
      await closing;
      expect(await second.ask(`round ${round}`)).toBe(`round ${round}`);
    }
    expect(await left(host)).toEqual([]);
  });

  it('go with the host, containers included, when nobody has closed them', async () => {
    const host = newHost();
    await using wire = new Wire(
      host,
      await shellServer({ network: 'isolated', script: 'echo ready; while :; do sleep 1; done' }),
    );
    await wire.open();
    await wire.message(0);
    await host[Symbol.asyncDispose]();
    expect((await wire.closed).message).toContain('was killed (SIGKILL)');
    await wire.transport.close();
    expect(await left(host)).toEqual([]);
  });
});
