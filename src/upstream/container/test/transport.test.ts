import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { dockerMissing } from '../../../../test/rig/docker.ts';
import { GatewayError } from '../../../shared/errors.ts';
import { requireImage } from '../engine.ts';
import { containerOf, docker, ECHO, engineSays, left, newHost, shellServer, Wire } from './containers.ts';

const ready = (script: string): string => `echo '{"ready":true}'; ${script}`;

/** Commands of the engine that still run for a host. */
function commandsOf(instanceId: string): string[] {
  return readdirSync('/proc').flatMap((pid) => {
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ');
      return line.includes(instanceId) ? [line] : [];
    } catch {
      return [];
    }
  });
}

describe.skipIf(dockerMissing())('a server in a container', () => {
  it('T-ISO-001 T-PTL-001 answers over the streams of a container and leaves nothing when it is closed', async () => {
    await using host = newHost();
    await using wire = new Wire(host, await shellServer({ network: 'isolated', script: `echo hello >&2; ${ECHO}` }));
    await wire.open();
    expect(await wire.ask('{"jsonrpc":"2.0",\n"id":1}')).toBe('{"jsonrpc":"2.0", "id":1}');
    expect(await engineSays(host.engine, 'inspect', '--format', '{{.State.Running}}', await containerOf(host))).toBe(
      'true',
    );
    await wire.transport.close();
    expect(await left(host)).toEqual([]);
    await expect.poll(() => commandsOf(host.instance.id)).toEqual([]);
    expect(wire.closings).toBe(0);
    expect(wire.stderr).toEqual(['hello']);
    expect(wire.transport.lastWords()).toEqual(['hello']);
  });

  it('T-PTL-005 T-PTL-006 carries messages of megabytes both ways, whole and in order', async () => {
    await using host = newHost();
    await using wire = new Wire(host, await shellServer({ entrypoint: 'cat', args: [] }));
    await wire.open();
    const messages = Array.from({ length: 20 }, (_, id) => JSON.stringify({ id, text: 'größer 🏰 '.repeat(20_000) }));
    await Promise.all(messages.map((message) => wire.transport.send(message)));
    await wire.message(messages.length - 1);
    expect(wire.messages).toEqual(messages);
  });

  it('T-ISO-005 T-ERR-002 fails at once and with the reason when its container is killed', async () => {
    await using host = newHost();
    await using wire = new Wire(
      host,
      await shellServer({
        network: 'isolated',
        script: `echo "about to work" >&2; ${ready('read -r line; sleep 100')}`,
      }),
    );
    await wire.open();
    await wire.message(0);
    await wire.transport.send('{"id":1}');
    await engineSays(host.engine, 'kill', await containerOf(host));
    const reason = await wire.closed;
    expect(reason).toMatchObject({ code: 'server_unavailable', server: wire.server });
    expect(reason.message).toMatch(/was killed \(SIGKILL\)/);
    // Callers do not see what may come from the call of another; the operator does.
    expect(reason.detail).not.toContain('about to work');
    await expect.poll(() => wire.transport.lastWords()).toEqual(['about to work']);
    await expect(wire.transport.send('{"id":2}')).rejects.toBe(reason);
    await wire.transport.close();
    expect(wire.closings).toBe(1);
    expect(await left(host)).toEqual([]);
  });

  it('T-ERR-002 tells that it ran out of memory', async () => {
    await using host = newHost();
    await using wire = new Wire(
      host,
      await shellServer({ script: ready('read -r line; exec tail -c 900000000 /dev/zero') }),
    );
    await wire.open();
    await wire.message(0);
    await wire.transport.send('go');
    // The error does not wait for an engine that is slow to tell the reason: it then names memory as a possible one.
    expect((await wire.closed).message).toMatch(
      /ran out of memory and was killed: it may use 64 MiB|was killed.*memory/,
    );
  });

  it('rejects what was being sent when the container ends, for the same reason', async () => {
    await using host = newHost();
    await using wire = new Wire(host, await shellServer({ script: ready('sleep 1; exit 7') }));
    await wire.open();
    await wire.message(0);
    const unread = 'x'.repeat(1024 * 1024);
    const sent = await Promise.allSettled(Array.from({ length: 5 }, () => wire.transport.send(unread)));
    const reason = await wire.closed;
    expect(reason.message).toMatch(/exited with status 7\.$/);
    const reasons = sent.flatMap((one): unknown[] => (one.status === 'rejected' ? [one.reason] : []));
    expect(reasons.length).toBeGreaterThan(0);
    for (const one of reasons) expect(one).toBe(reason);
  });

  it('makes senders wait for a server that does not read, lets them give up, and holds a bounded amount', async () => {
    await using host = newHost();
    await using wire = new Wire(host, await shellServer({ script: ready('exec sleep 100') }));
    await wire.open();
    await wire.message(0);
    const megabyte = 'x'.repeat(1024 * 1024);
    const outcomes: string[] = [];
    const note = (error: unknown): void => void outcomes.push(error instanceof GatewayError ? error.message : 'taken');
    const sendMegabyte = (): Promise<void> => wire.transport.send(megabyte).then(note, note);
    const sending = Array.from({ length: 60 }, sendMegabyte);
    const caller = new AbortController();
    const impatient = wire.transport.send('{"id":1}', { requestId: '1', signal: caller.signal });
    caller.abort();
    await expect(impatient).rejects.toMatchObject({ code: 'cancelled' });
    sending.push(...Array.from({ length: 6 }, sendMegabyte));
    await expect(wire.transport.send('{"id":2}')).rejects.toThrow('does not read its input');
    await wire.transport.close();
    await Promise.all(sending);
    expect(outcomes).toContain(`Server "${wire.server}" was stopped.`);
    expect(await left(host)).toEqual([]);
  });

  it('is lost when it closes its input', async () => {
    await using host = newHost();
    await using wire = new Wire(host, await shellServer({ script: 'exec 0</dev/null; exit 0' }));
    await wire.open();
    expect((await wire.closed).message).toMatch(/ended by itself \(status 0\)\.$/);
  });
});

describe.skipIf(dockerMissing())('a server that does not start', () => {
  it('T-ERR-001 names the missing image and how to get it; nothing is pulled', async () => {
    await using host = newHost();
    await using wire = new Wire(host, await shellServer({ image: 'gatehouse.invalid/no/such:1', network: 'isolated' }));
    await wire.open();
    const reason = await wire.closed;
    expect(reason.message).toContain('Pull it with: docker pull gatehouse.invalid/no/such:1');
    await wire.transport.close();
    expect(await left(host)).toEqual([]);
    await expect(requireImage(docker(), 'gatehouse.invalid/no/such:1')).rejects.toThrow(
      'docker pull gatehouse.invalid/no/such:1',
    );
    await requireImage(docker(), (await shellServer()).container.image);
  });

  it.each([
    [
      'a command that is not in the image',
      { entrypoint: '/no/such' },
      /ended with status 127: its command, or one that it runs, does not exist/,
    ],
    [
      'a command that cannot be executed',
      { entrypoint: '/etc/hostname' },
      /ended with status 126: its command, or one that it runs, cannot be executed/,
    ],
    ['an unknown user', { user: 'nobody-here' }, /cannot be started: .*unable to find user nobody-here/],
    [
      'a mount of nothing',
      { mounts: [{ source: '/no/such/place', target: '/x', mode: 'ro' as const }] },
      /cannot be started: .*bind source path does not exist/,
    ],
  ])('T-ERR-001 tells what is wrong with %s', async (_, spec, message) => {
    await using host = newHost();
    await using wire = new Wire(host, await shellServer({ ...spec, network: 'isolated' }));
    await wire.open();
    const reason = await wire.closed;
    expect(reason.detail).toMatch(message);
    await wire.transport.close();
    expect(await left(host)).toEqual([]);
  });

  it('T-ISO-007 is not launched when its mounts are refused at the last moment', async () => {
    await using host = newHost();
    const refusal = new GatewayError('server_unavailable', 'the link leads elsewhere by now');
    await using wire = new Wire(host, await shellServer({ network: 'isolated' }), {
      checkMounts: () => Promise.reject(refusal),
    });
    await expect(wire.open()).rejects.toBe(refusal);
    await wire.transport.close();
    expect(await left(host)).toEqual([]);
  });

  it.each([0, 30, 100, 250, 400])(
    'T-TMO-001 leaves nothing when it is given up %i ms after its start began',
    async (wait) => {
      await using host = newHost();
      await using wire = new Wire(
        host,
        await shellServer({ network: 'isolated', script: 'trap "" TERM; while :; do sleep 1; done' }),
      );
      const deadline = AbortSignal.timeout(wait);
      await wire.open(deadline).catch((error: unknown) => expect(error).toMatchObject({ code: 'cancelled' }));
      await new Promise((resolve) =>
        deadline.aborted ? resolve(undefined) : deadline.addEventListener('abort', resolve),
      );
      await wire.transport.close();
      expect(await left(host)).toEqual([]);
      await expect.poll(() => commandsOf(host.instance.id)).toEqual([]);
      expect(wire.closings).toBe(0);
    },
  );
});

describe.skipIf(dockerMissing())('closing', () => {
  it('T-LIFE-004 kills a server that heeds neither the end of its input nor SIGTERM', async () => {
    await using host = newHost();
    await using wire = new Wire(
      host,
      await shellServer({ script: `trap 'echo told to stop >&2' TERM; ${ready('while :; do sleep 0.1; done')}` }),
      // Time to hear of it: the trap runs between two sleeps.
      { closeTimeoutMs: 10_000 },
    );
    await wire.open();
    await wire.message(0);
    await Promise.all([wire.transport.close(), wire.transport.close()]);
    expect(wire.stderr).toEqual(['told to stop']);
    expect(await left(host)).toEqual([]);
    await expect.poll(() => commandsOf(host.instance.id)).toEqual([]);
    await expect(wire.transport.send('{}')).rejects.toThrow('was stopped');
  });

  it('T-LIFE-004 lets a server end by itself once its input is closed', async () => {
    await using host = newHost();
    await using wire = new Wire(
      host,
      await shellServer({ script: `trap 'echo SIGTERM >&2' TERM; ${ready('cat >/dev/null; echo goodbye >&2')}` }),
      { inputClosedGraceMs: 60_000 },
    );
    await wire.open();
    await wire.message(0);
    await wire.transport.close();
    expect(wire.stderr).toEqual(['goodbye']);
  });

  it('does nothing for a transport that was never opened, and keeps it from being opened', async () => {
    await using host = newHost();
    const wire = new Wire(host, await shellServer());
    await wire.transport.close();
    await expect(wire.open()).rejects.toBeInstanceOf(GatewayError);
    expect(await left(host)).toEqual([]);
  });

  it('removes the container even when the command of the engine is killed', async () => {
    await using host = newHost();
    await using wire = new Wire(
      host,
      await shellServer({ network: 'isolated', script: ready('while :; do sleep 1; done') }),
    );
    await wire.open();
    await wire.message(0);
    const container = await containerOf(host);
    const name = (await engineSays(host.engine, 'inspect', '--format', '{{.Name}}', container)).slice(1);
    const pid = readdirSync('/proc').find(
      (entry) => /^\d+$/.test(entry) && argumentsOf(entry).includes(`--name=${name}`),
    );
    process.kill(Number(pid), 'SIGKILL');
    expect((await wire.closed).message).toContain('the docker command that ran it was ended by SIGKILL');
    await wire.transport.close();
    expect(await left(host)).toEqual([]);
  });
});

describe.skipIf(dockerMissing())('a server that writes without measure', () => {
  it('T-PTL-005 costs bounded memory for a message of 100 MB, and the next message arrives', async () => {
    await using host = newHost();
    await using wire = new Wire(
      host,
      await shellServer({
        script: `head -c 100000000 /dev/zero | tr '\\0' x; echo; echo '{"after":true}'; cat >/dev/null`,
      }),
    );
    const before = process.memoryUsage().rss;
    await wire.open();
    expect(await wire.message(0)).toBe('{"after":true}');
    expect(process.memoryUsage().rss - before).toBeLessThan(150 * 1024 * 1024);
    expect(wire.dropped).toBe(1);
  });

  it('costs bounded memory and a bounded log for a flood on stderr', async () => {
    await using host = newHost();
    await using wire = new Wire(
      host,
      await shellServer({
        script: `yes 'all work and no play' | head -c 50000000 >&2; echo >&2; head -c 5000000 /dev/zero | tr '\\0' x >&2; ${ready('cat >/dev/null')}`,
      }),
    );
    await wire.open();
    await wire.message(0);
    await wire.transport.close();
    const words = wire.transport.lastWords();
    expect(words).toHaveLength(200);
    expect(words.at(-1)?.slice(0, 3)).toBe('xxx');
    expect(words.at(-1)?.length).toBeLessThanOrEqual(4096);
    expect(wire.stderr.join('\n').length).toBeLessThan(2_000_000);
    expect(wire.stderr.join('\n')).toMatch(/\(\d+ lines left out/);
  });
});

function argumentsOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0');
  } catch {
    return [];
  }
}
