/** The configuration that Gatehouse is measured with. */
import type { Setting } from '../contender.ts';
import { serverName } from '../load/expected-listing.ts';

type Json = Readonly<Record<string, unknown>>;

/** As long as tokens are in life. */
export const AGENT_ID = `bench-${'0123456789abcdef'.repeat(13)}`;
export const ISSUER = 'https://issuer.example.com';
export const RESOURCE = 'https://gateway.example.com';

export interface ConfigurationOptions {
  /** PEM of the key of the issuer; without it no JWT is accepted. */
  readonly publicKey?: string | undefined;
}

export function configuration(servers: Json, { publicKey }: ConfigurationOptions = {}): string {
  const issuers = [{ issuer: ISSUER, publicKeys: [publicKey], rolesClaim: 'roles' }];
  const auth = publicKey === undefined ? {} : { auth: { resource: RESOURCE, issuers } };
  const gateway = { port: 3000, domain: 'localhost', agentId: AGENT_ID, ...auth };
  return JSON.stringify({ mcpServers: servers, gateway });
}

/**
 * The servers by name. All are one program, each at a path of its own: a gateway cannot know that. With `mark` the
 * address of the last one differs.
 */
export function serversBehind({ upstream, servers }: Pick<Setting, 'upstream' | 'servers'>, mark = ''): Json {
  const { port, tls } = upstream;
  return Object.fromEntries(
    Array.from({ length: servers }, (_, index) => {
      const path = `/mcp${index === 0 ? '' : `/${index}`}${index === servers - 1 ? mark : ''}`;
      const server =
        tls === undefined
          ? { type: 'http', url: `http://127.0.0.1:${port}${path}` }
          : { type: 'http', url: `https://localhost:${port}${path}`, tls };
      return [serverName(index), server];
    }),
  );
}
