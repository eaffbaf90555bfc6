/** `npm start`, from an empty directory to a tool call, and down again. */
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run } from '../../scripts/setup/run.ts';
import { connectV1, connectV2 } from '../rig/clients.ts';
import { dockerMissing } from '../rig/docker.ts';
import { runScript } from '../rig/gateway-process.ts';
import type { GatewayProcess } from '../rig/gateway-process.ts';
import { NOTHING, trackLeftovers } from '../rig/leftovers.ts';

const START = fileURLToPath(new URL('../../scripts/start/main.ts', import.meta.url));

let cwd: string;

beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'gatehouse-start-'));
});

afterEach(async () => {
  await rm(cwd, { recursive: true, force: true });
});

const start = (...args: string[]): GatewayProcess => runScript([START, ...args], { cwd });

/** The last line of the guide, so that all of it has been printed. */
const isReady = ({ stdout }: GatewayProcess): true | undefined => (stdout.includes('Ctrl-C ends') ? true : undefined);

describe('npm start', () => {
  it.skipIf(dockerMissing())('brings up both demonstration servers, and ends with nothing left', async () => {
    await using demo = start();
    await demo.until(isReady);
    const [, toolbox = ''] = /toolbox +(http:\S+)/.exec(demo.stdout) ?? [];
    const [, notes = ''] = /notes +(http:\S+)/.exec(demo.stdout) ?? [];
    const [, authorization = ''] = /Authorization header\n +(\S+)/.exec(demo.stdout) ?? [];
    {
      await using one = await connectV1(toolbox, { authorization });
      const rolled = await one.client.callTool({ name: 'roll_dice', arguments: { count: 3 } });
      expect(rolled.structuredContent).toMatchObject({
        rolls: [expect.any(Number), expect.any(Number), expect.any(Number)],
      });
      await using two = await connectV2(notes, { authorization });
      const kept = await two.client.callTool({ name: 'add_note', arguments: { title: 'A note', text: 'kept' } });
      expect(kept.structuredContent).toEqual({ uri: 'note://a-note' });
    }
    const leftovers = await trackLeftovers(demo);

    expect(await demo.stop()).toEqual({ status: 0, signal: undefined });
    expect(await leftovers()).toEqual(NOTHING);
    await expect(fetch(toolbox)).rejects.toThrow('fetch failed');
  });

  it('prints a curl line that works as it stands', async () => {
    await using demo = start('--no-docker');
    await demo.until(isReady);
    const [line = ''] = /curl .*/.exec(demo.stdout) ?? [];
    const answer = await run('sh', ['-c', line]);
    expect(answer.stdout).toContain('"name":"roll_dice"');
  });

  it('writes a configuration that only its owner can read, and never writes it again', async () => {
    const file = join(cwd, 'config.toml');
    {
      await using demo = start('--no-docker');
      await demo.until(isReady);
    }
    const written = await readFile(file, 'utf8');
    expect((await stat(file)).mode & 0o077).toBe(0);
    await using again = start('--no-docker');
    await again.until(isReady);
    expect(await readFile(file, 'utf8')).toBe(written);
    expect(again.stdout).not.toContain('Wrote');

    // While that one runs its port is taken.
    await using third = start('--no-docker');
    expect(await third.exited).toEqual({ status: 1, signal: undefined });
    expect(third.stderr).toMatch(
      /^Port \d+ of 127\.0\.0\.1 is taken .* change `port` under \[gateway\] in config\.toml/m,
    );
  });
});
