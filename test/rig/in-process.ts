/** A gateway in this process, whose Config a test completes with what only a store can say: virtual servers, overrides, access. */
import type { Config } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { Access } from '../../src/config/registration.ts';
import { startGateway, type Gateway } from '../../src/gateway.ts';
import type { Store } from '../../src/store/store.ts';
import { createTelemetry } from '../../src/telemetry/log.ts';
import { AGENT_ID } from './gateway.ts';

type Json = Readonly<Record<string, unknown>>;

export interface InProcessConfig extends Partial<Pick<Config, 'virtualServers' | 'overrides'>> {
  readonly mcpServers: Json;
  readonly gateway?: Json;
  /** By the name of the server; everybody sees the others. */
  readonly access?: Readonly<Record<string, Access>>;
}

export interface InProcessGateway extends AsyncDisposable {
  readonly gateway: Gateway;
  readonly origin: string;
  readonly authorization: string;
  /** URL of a server's endpoint, or without a name that of the unified endpoint. */
  url(server?: string): string;
  /** URL of the endpoint of a virtual server, by its id or name. */
  virtualUrl(server: string): string;
  /** Reloads with another configuration. Throws when that is refused. */
  change(config: InProcessConfig): Promise<void>;
}

/** Listens on a free loopback port. Disposing stops it, and closes the store. */
export async function startInProcess(given: InProcessConfig, store?: Store): Promise<InProcessGateway> {
  let next = given;
  const telemetry = createTelemetry({ level: 'silent' });
  const gateway = await startGateway({
    config: await configOf(given),
    store,
    telemetry,
    version: '0.0.0-test',
    announce: () => Promise.resolve(),
    source: {
      name: 'test',
      files: [],
      read: async () => ({ ok: true, config: await configOf(next), warnings: [] }),
    },
    watch: false,
    fastPath: process.env['MCP_GATEWAY_FAST_PATH'] !== 'off',
  });
  const origin = `http://127.0.0.1:${gateway.address.port}`;
  return {
    gateway,
    origin,
    authorization: `Bearer ${AGENT_ID}`,
    url: (server) => (server === undefined ? `${origin}/mcp` : `${origin}/mcp/${server}`),
    virtualUrl: (server) => `${origin}/servers/${encodeURIComponent(server)}/mcp`,
    async change(config) {
      next = config;
      const result = await gateway.reload('POST /reload');
      if (!result.ok) throw new Error(result.errors.join('; '));
    },
    async [Symbol.asyncDispose]() {
      await gateway.stop({ timeoutMs: 2_000 });
      await telemetry[Symbol.asyncDispose]();
    },
  };
}

async function configOf({ mcpServers, gateway, virtualServers, overrides, access }: InProcessConfig): Promise<Config> {
  const document = {
    mcpServers,
    gateway: { port: 3000, domain: 'localhost', agentId: AGENT_ID, mode: 'both', ...gateway },
  };
  const source = { kind: 'json', name: 'test.json', text: JSON.stringify(document) } as const;
  const result = await loadConfig({ source, env: {}, overrides: { host: '127.0.0.1', port: 0 } });
  if (!result.ok) throw new Error(result.errors.map(({ path, message }) => `${path}: ${message}`).join('; '));
  const { config } = result;
  return {
    ...config,
    virtualServers: virtualServers ?? [],
    overrides: overrides ?? [],
    servers: config.servers.map((server) => {
      const own = access?.[server.name];
      return own === undefined ? server : { ...server, registration: { ...server.registration, access: own } };
    }),
  };
}
