/** The rewritten configuration that clients use instead of the original one (specification 1.17, section 5.4). */
import type { Config, ServerConfig } from './config/config.ts';

export interface ClientServer {
  readonly type: 'http';
  readonly url: string;
  readonly headers: { readonly Authorization: string };
  readonly tools?: readonly string[];
}

export interface ClientConfiguration {
  readonly mcpServers: Readonly<Record<string, ClientServer>>;
}

/** One entry for each server; with a unified endpoint only, all of them lead there. `port` is the one that is bound. */
export function clientConfiguration({ gateway, servers }: Config, port: number): ClientConfiguration {
  const base = `${gateway.tls === undefined ? 'http' : 'https'}://${gateway.domain}:${port}/mcp`;
  const entry = ({ name, tools }: ServerConfig): ClientServer => ({
    type: 'http',
    url: gateway.mode === 'unified' ? base : `${base}/${encodeURIComponent(name)}`,
    headers: { Authorization: gateway.agentIds[0] ?? '' },
    ...(tools === undefined ? {} : { tools }),
  });
  return { mcpServers: Object.fromEntries(servers.map((server) => [server.name, entry(server)])) };
}
