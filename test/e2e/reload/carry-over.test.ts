/** What a reload keeps, replaces and ends: real containers and HTTP servers behind a real process. */
import { readdir, readFile } from 'node:fs/promises';
import { describe, expect, it, vi } from 'vitest';
import { run } from '../../../scripts/setup/run.ts';
import { dockerMissing } from '../../rig/docker.ts';
import { startReloadable } from '../../rig/gateway.ts';
import { fixtureImage } from '../../rig/images.ts';
import { NOTHING, trackLeftovers } from '../../rig/leftovers.ts';
import { startHttpFixture } from '../../rig/servers.ts';
import { rawClient, type RawClient } from '../raw-client.ts';

async function call(client: RawClient, name: string, input: object = {}): Promise<Record<string, unknown>> {
  const { answer } = await client.request('tools/call', { name, arguments: input });
  if (answer.result === undefined) throw new Error(JSON.stringify(answer));
  return answer.result;
}

async function whoami(client: RawClient): Promise<unknown> {
  return (await call(client, 'whoami'))['structuredContent'];
}

async function containersOf(pid: number): Promise<readonly string[]> {
  const list = await run('docker', ['ps', '--all', '--format', '{{.Names}} {{.Label "gatehouse.owner"}}']);
  return list.stdout.split('\n').filter((line) => line.endsWith(` ${pid}`));
}

describe.skipIf(dockerMissing())('servers in containers', () => {
  it('keeps the process of an unchanged server, starts a new one, and ends a removed one with its network', async () => {
    const image = await fixtureImage();
    await using gateway = await startReloadable({
      mcpServers: { kept: { container: image }, gone: { container: image } },
    });
    const left = await trackLeftovers(gateway);
    const kept = await rawClient(gateway.url('kept'), gateway.authorization);
    const gone = await rawClient(gateway.url('gone'), gateway.authorization);
    const before = await whoami(kept);
    await whoami(gone);

    await gateway.write({ mcpServers: { fresh: { container: image }, kept: { container: image } } });
    const { status, result } = await gateway.reload();
    expect(status).toBe(200);
    expect(result).toMatchObject({
      ok: true,
      servers: { added: ['fresh'], removed: ['gone'], changed: [], kept: ['kept'] },
    });

    expect(await whoami(kept)).toEqual(before);
    const fresh = await rawClient(gateway.url('fresh'), gateway.authorization);
    expect(await whoami(fresh)).not.toEqual(before);
    expect((await gone.request('ping')).status).toBe(404);
    await vi.waitFor(async () => {
      const names = (await containersOf(gateway.pid)).join();
      expect(names).not.toContain('-gone-');
      expect(names).toContain('-kept-');
    }, 20_000);
    await gateway.stop();
    expect(await left()).toEqual(NOTHING);
  });

  it('replaces a changed server: its session goes on with the new process', async () => {
    const image = await fixtureImage();
    await using gateway = await startReloadable({
      mcpServers: { box: { container: image, env: { COLOR: 'red' } } },
    });
    const client = await rawClient(gateway.url('box'), gateway.authorization);
    expect(await call(client, 'env', { name: 'COLOR' })).toMatchObject({ structuredContent: { value: 'red' } });
    const slow = call(client, 'slow', { ms: 6_000, label: 'finished on the process before' });
    await vi.waitFor(async () => {
      const other = await rawClient(gateway.url('box'), gateway.authorization);
      expect(await call(other, 'stats')).toMatchObject({ structuredContent: { active: 1 } });
    }, 20_000);
    await gateway.write({ mcpServers: { box: { container: image, env: { COLOR: 'blue' } } } });
    expect((await gateway.reload()).result.servers.changed).toEqual(['box']);
    expect(await call(client, 'env', { name: 'COLOR' })).toMatchObject({ structuredContent: { value: 'blue' } });
    expect(await slow).toMatchObject({ content: [{ text: 'finished on the process before' }] });
    await vi.waitFor(async () => expect(await containersOf(gateway.pid)).toHaveLength(1), 20_000);
  });

  it('goes on as it was when a new server does not start, and leaves nothing of the attempt', async () => {
    const image = await fixtureImage();
    await using gateway = await startReloadable({ mcpServers: { box: { container: image } } });
    const client = await rawClient(gateway.url('box'), gateway.authorization);
    const before = await whoami(client);
    await gateway.write({
      mcpServers: { box: { container: image }, broken: { container: image, env: { FIXTURE_FAIL_START: 'true' } } },
    });
    const { status, result } = await gateway.reload();
    expect(status).toBe(422);
    expect(result.errors.join()).toMatch(/server "broken" .* did not start/);
    expect(await whoami(client)).toEqual(before);
    await vi.waitFor(async () => expect(await containersOf(gateway.pid)).toHaveLength(1), 20_000);
  });
});

describe('fifty reloads', () => {
  it('leave no file descriptor, process or session of a server behind', async () => {
    await using web = await startHttpFixture();
    await using other = await startHttpFixture();
    const config = (round: number): Parameters<typeof startReloadable>[0] => ({
      mcpServers: {
        web: { type: 'http', url: web.url },
        changing: { type: 'http', url: other.url, headers: { 'x-round': String(round) } },
      },
    });
    await using gateway = await startReloadable(config(0));
    const client = await rawClient(gateway.url('web'), gateway.authorization);
    const changing = await rawClient(gateway.url('changing'), gateway.authorization);
    const before = await whoami(client);
    const round = async (index: number): Promise<void> => {
      await gateway.write(config(index));
      expect((await gateway.reload()).result).toMatchObject({ ok: true, servers: { changed: ['changing'] } });
      await call(changing, 'echo');
    };
    for (let index = 1; index <= 5; index++) await round(index);
    const early = await usageOf(gateway.pid);
    for (let index = 6; index <= 50; index++) await round(index);
    expect(await whoami(client)).toEqual(before);
    await vi.waitFor(async () => {
      const late = await usageOf(gateway.pid);
      expect(late.descriptors).toBeLessThanOrEqual(early.descriptors + 3);
      expect(late.children).toBe(early.children);
      // The shared conversation and that of the one session, for each of the two servers.
      expect(web.state.sessions.size + other.state.sessions.size).toBe(4);
    }, 20_000);
  });
});

async function usageOf(pid: number): Promise<{ readonly descriptors: number; readonly children: number }> {
  const descriptors = await readdir(`/proc/${pid}/fd`);
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return { descriptors: descriptors.length, children: children.split(' ').filter(Boolean).length };
}
