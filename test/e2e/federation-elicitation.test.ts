/** In a federation of three servers of both eras, clients of either era are asked by servers of the other one. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { legacyElicitation, modernElicitation } from '../../scripts/transcript/elicitations.ts';
import { startConformanceServer } from '../fixtures/servers/conformance/http.ts';
import { startNeighbour } from '../fixtures/servers/conformance/neighbour.ts';
import { dockerMissing } from '../rig/docker.ts';
import { startGateway, type RunningGateway } from '../rig/gateway.ts';
import { conformanceImage } from '../rig/images.ts';

describe.skipIf(dockerMissing())('a federation of three', () => {
  const parts = new AsyncDisposableStack();
  let gateway: RunningGateway;

  beforeAll(async () => {
    gateway = parts.use(
      await startGateway({
        config: {
          mcpServers: {
            old: { container: await conformanceImage(), entrypointArgs: ['legacy'] },
            young: { type: 'http', url: parts.use(await startNeighbour()).url },
            both: { type: 'http', url: parts.use(await startConformanceServer('dual')).url },
          },
        },
        args: ['--unified'],
      }),
    );
  });
  afterAll(async () => parts.disposeAsync());

  it('MCP-ERA-002 a modern client answers a question of a legacy server in a container', async () => {
    const entries = await modernElicitation(gateway.url(), gateway.authorization);
    expect(entries.map(({ from }) => from)).toEqual(['client', 'gateway', 'client', 'gateway']);
    expect(entries[1]?.text).toMatch(/^200 .*"input_required".*May I have your name\?.*"requestState"/);
    expect(entries[3]?.text).toMatch(/^200 .*"complete".*action=accept.*Ada/);
  });

  it('MCP-ERA-001 a legacy client answers a question of a modern server on the stream of its call', async () => {
    const entries = await legacyElicitation(gateway.url(), gateway.authorization);
    expect(entries.map(({ from }) => from)).toEqual(['client', 'gateway', 'client', 'gateway', 'gateway']);
    expect(entries[1]?.text).toMatch(/elicitation\/create.*Who lives next door\?/);
    expect(entries[3]?.text).toBe('202');
    expect(entries[4]?.text).toMatch(/Good day, Ada!/);
    expect(entries[4]?.text).not.toMatch(/resultType|ttlMs/);
  });

  it('ten clients of each era at once each get their own answer', async () => {
    const scenes = Array.from({ length: 10 }, () => [
      modernElicitation(gateway.url(), gateway.authorization),
      legacyElicitation(gateway.url(), gateway.authorization),
    ]);
    for (const entries of await Promise.all(scenes.flat())) expect(entries.at(-1)?.text).toContain('Ada');
  });
});
