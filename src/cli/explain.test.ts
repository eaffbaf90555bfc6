import { describe, expect, it } from 'vitest';
import type { Config } from '../config/config.ts';
import { loadConfig } from '../config/load.ts';
import type { Nft } from '../upstream/container/wall/nft.ts';
import { explain, formatExplanations } from './explain.ts';

async function load(servers: Readonly<Record<string, unknown>>): Promise<Config> {
  const gateway = { port: 8080, domain: 'localhost', agentId: 'agent-id-of-the-gateway' };
  const text = JSON.stringify({ mcpServers: servers, gateway });
  const env = { SECRET: 'value-of-a-secret', MCP_GATEWAY_ALLOWED_MOUNT_ROOTS: '/srv/gatehouse/rw:rw' };
  const result = await loadConfig({ source: { kind: 'json', name: 'test', text }, env });
  if (!result.ok) throw new Error(JSON.stringify(result.errors));
  return result.config;
}

describe('explain', () => {
  it('names everything that was relaxed or hardened, with the field that said so', async () => {
    const [explanation] = explain(
      await load({
        box: {
          container: 'mcp/box',
          network: { allow: ['api.example.com'] },
          readOnly: true,
          user: 'root',
          capabilities: ['NET_BIND_SERVICE'],
          mounts: ['/srv/gatehouse/rw:/data:rw'],
          resources: { memory: '2g', pids: 16 },
        },
      }),
      {},
    );
    const said = explanation?.measures.filter(({ field }) => field !== undefined);
    expect(said?.map(({ state, field }) => `${field ?? ''} ${state}`)).toEqual([
      'capabilities relaxed',
      'network.allow hardened',
      'read_only hardened',
      'resources.memory relaxed',
      'resources.pids hardened',
      'mounts relaxed',
      'user relaxed',
    ]);
    expect(explanation?.isPinned).toBe(false);
    expect(explanation?.argv).toEqual(
      expect.arrayContaining(['docker', 'run', '--cap-drop=ALL', '--dns=0.0.0.0', 'mcp/box']),
    );
    for (const { why } of explanation?.measures ?? []) expect(why).not.toBe('');
  });

  it('relaxes nothing where nothing was said', async () => {
    const [explanation] = explain(await load({ box: { container: 'mcp/box' } }), {});
    expect(explanation?.measures.filter(({ state }) => state === 'relaxed')).toEqual([]);
  });

  it('says what keeps servers apart here, and what is missing for more', async () => {
    const config = await load({ box: { container: 'mcp/box' } });
    const why = (nft: Nft): string =>
      explain(config, {}, nft)[0]?.measures.find(({ what }) => what === 'network')?.why ?? '';
    expect(why({ command: '/usr/sbin/nft' })).toContain("a table of the gateway's own (nft)");
    expect(why({ missing: 'the gateway runs without CAP_NET_ADMIN' })).toMatch(
      /only Docker's own rules .* because the gateway runs without CAP_NET_ADMIN\. .* network "none"/,
    );
    const elsewhere = explain(config, { DOCKER_HOST: 'ssh://engine.example' })[0]?.measures ?? [];
    expect(elsewhere.find(({ what }) => what === 'network')?.why).toContain('on another machine');
  });

  it('never shows a value of a variable or of the environment', async () => {
    const config = await load({
      box: { container: 'mcp/box', env: { TOKEN: '${SECRET}' }, entrypointArgs: ['--token', '${SECRET}'] },
      web: { type: 'http', url: 'https://mcp.example.com/' },
    });
    const text = JSON.stringify(explain(config, {})) + formatExplanations(explain(config, {}));
    expect(text).not.toContain('value-of-a-secret');
    expect(text).toContain('--env=TOKEN');
    expect(explain(config, {})).toHaveLength(1);
  });
});
