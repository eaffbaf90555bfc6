import { beforeAll, describe, expect, it } from 'vitest';
import { podmanImage, podmanMissing } from '../../../../test/rig/podman.ts';
import { findEngine, type Engine } from '../engine-command.ts';
import { hasImage, pingEngine } from '../engine.ts';
import { containerOf, ECHO, engineSays, left, newHost, shellServer, Wire } from './containers.ts';

const reason = await podmanMissing();

describe.skipIf(reason !== '')(`podman${reason === '' ? '' : ` (left out: ${reason})`}`, () => {
  let engine: Engine;
  let image = '';
  beforeAll(async () => {
    engine = findEngine({ engine: 'podman', command: 'podman' });
    image = await podmanImage();
  });

  it('answers, and knows which images it has', async () => {
    expect(await pingEngine(engine)).toMatch(/^\d+\./);
    expect(await hasImage(engine, image)).toBe(true);
    expect(await hasImage(engine, 'localhost/gatehouse/no-such:1')).toBe(false);
  });

  it('T-ISO-001 T-ISO-003 runs a hardened server and leaves nothing', async () => {
    await using host = newHost(engine);
    const env = {
      API_TOKEN: 'line 1\nline 2',
      HTTP_PROXY: 'http://proxy',
      CONTAINER_HOST: 'tcp://127.0.0.1:1',
      EMPTY: '',
    };
    const script = `read -r line; echo "$API_TOKEN" | tr "\\n" "~"; echo "$HTTP_PROXY $CONTAINER_HOST \${EMPTY-unset}."
grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status | tr "\\n\\t" "~ "; echo
echo x 2>&1 >/file | tr "\\n" "~"; ulimit -n; ${ECHO}`;
    await using wire = new Wire(host, await shellServer({ image, env, script, readOnly: true }));
    await wire.open();
    await wire.transport.send('go');
    await wire.message(2);
    expect(wire.messages[0]).toBe('line 1~line 2~http://proxy tcp://127.0.0.1:1 .');
    expect(wire.messages[1]).toBe(
      'NoNewPrivs: 1~Seccomp: 2~'.replace(/^/, 'CapEff: 0000000000000000~CapBnd: 0000000000000000~'),
    );
    expect(wire.messages[2]).toMatch(/Read-only file system~256$/);
    const container = await containerOf(host);
    const [inspected] = JSON.parse(await engineSays(engine, 'container', 'inspect', container)) as [
      { HostConfig: Record<string, unknown> },
    ];
    expect(inspected.HostConfig).toMatchObject({
      AutoRemove: true,
      Privileged: false,
      PidsLimit: 64,
      Memory: 64 * 1024 * 1024,
      MemorySwap: 64 * 1024 * 1024,
      ReadonlyRootfs: true,
      NetworkMode: 'none',
      LogConfig: { Type: 'none' },
    });
    await wire.transport.close();
    expect(await left(host)).toEqual([]);
  });

  it('T-ISO-005 tells why a server has ended', async () => {
    await using host = newHost(engine);
    await using killed = new Wire(host, await shellServer({ image, script: 'echo ready; sleep 100' }));
    await using missing = new Wire(host, await shellServer({ image: 'localhost/gatehouse/no-such:1' }));
    await killed.open();
    await killed.message(0);
    await engineSays(engine, 'kill', await containerOf(host));
    expect((await killed.closed).message).toContain(
      'was killed (SIGKILL), by hand or because it went over its memory limit of 64 MiB',
    );
    await missing.open();
    expect((await missing.closed).message).toContain('Pull it with: podman pull localhost/gatehouse/no-such:1');
    await Promise.all([killed.transport.close(), missing.transport.close()]);
    expect(await left(host)).toEqual([]);
  });

  it('T-LIFE-004 kills a server that heeds neither the end of its input nor SIGTERM', async () => {
    await using host = newHost(engine);
    await using wire = new Wire(
      host,
      await shellServer({ image, script: 'trap "" TERM; echo ready; while :; do sleep 1; done' }),
    );
    await wire.open();
    await wire.message(0);
    await wire.transport.close();
    expect(await left(host)).toEqual([]);
  });

  it('T-ISO-004 keeps the networks of two servers apart', async () => {
    await using host = newHost(engine);
    const script =
      '(while :; do echo neighbour | nc -l -p 8080 >/dev/null || sleep 1; done) & while IFS= read -r line; do sh -c "$line" 2>&1 | tr "\\n" "~"; echo; done';
    await using one = new Wire(host, await shellServer({ name: 'one', image, network: 'isolated', script }));
    await using two = new Wire(host, await shellServer({ name: 'two', image, network: 'isolated', script }));
    await Promise.all([one.open(), two.open()]);
    await Promise.all([one.ask('echo ready'), two.ask('echo ready')]);
    const format = '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}';
    const address = await engineSays(
      engine,
      'container',
      'inspect',
      '--format',
      format,
      await containerOf(host, 'one'),
    );
    const visit = `nc -w 3 ${address} 8080 </dev/null || echo unreachable`;
    await expect.poll(() => one.ask(visit), { timeout: 60_000 }).toBe('neighbour~');
    expect(await two.ask(visit)).toMatch(/unreachable~$/);
    await Promise.all([one.transport.close(), two.transport.close()]);
    expect(await left(host)).toEqual([]);
  });
});
