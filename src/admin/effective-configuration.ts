/** The configuration that is being served, as it may be shown: everything but secrets. */
import type { Config, ServerConfig } from '../config/config.ts';
import { configSecrets } from '../telemetry/config-secrets.ts';
import { createRedactor } from '../telemetry/redaction.ts';
import { REDACTED } from '../telemetry/secret-values.ts';
import { isFields } from './compatibility.ts';
import { MASK } from './contract/gateways.ts';

const LIMITS = { depth: 32, entries: 10_000, text: 1_000_000 };

/** Only these servers are shown. What stands where a secret may stand is masked whatever it is. */
export function effectiveConfiguration(config: Config, servers: readonly ServerConfig[]): unknown {
  const { gateway } = config;
  const names = new Set(servers.map(({ name }) => name));
  const redactor = createRedactor();
  redactor.addSecrets(configSecrets(config));
  const shown = {
    gateway: {
      ...gateway,
      groups: Object.fromEntries(
        Object.entries(gateway.groups).map(([name, members]) => [name, members.filter((member) => names.has(member))]),
      ),
      agentIds: gateway.agentIds.map(() => MASK),
      hmacSecret: gateway.hmacSecret === undefined ? undefined : MASK,
      tls: gateway.tls && withoutKeys(gateway.tls),
      auth: {
        ...gateway.auth,
        issuers: gateway.auth.issuers.map((issuer) =>
          issuer.keys.kind === 'secret' ? { ...issuer, keys: { kind: 'secret', secret: MASK } } : issuer,
        ),
      },
    },
    servers: servers.map(withoutSecrets),
  };
  return alike(redactor.value(shown, LIMITS));
}

/** What the names of fields or known values have given away is masked like everything else. */
function alike(value: unknown): unknown {
  if (value === REDACTED) return MASK;
  if (Array.isArray(value)) return value.map(alike);
  if (!isFields(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, alike(member)]));
}

function withoutSecrets(server: ServerConfig): object {
  if (server.kind === 'container') {
    return { ...server, container: { ...server.container, env: masked(server.container.env) } };
  }
  return {
    ...server,
    url: withoutValues(server.url),
    headers: masked(server.headers),
    query: server.query && masked(server.query),
    tls: server.tls && withoutKeys(server.tls),
  };
}

/** Keys stand in queries, whatever their parameters are called. */
function withoutValues(url: string): string {
  const shown = new URL(url);
  shown.search = [...shown.searchParams.keys()].map((name) => `${encodeURIComponent(name)}=${MASK}`).join('&');
  return shown.href;
}

function masked(values: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.keys(values).map((name) => [name, MASK]));
}

/** The path of a key is no secret; a key that is written out is, and so is what opens it. */
function withoutKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutKeys);
  if (!isFields(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => {
      const isSecret = name === 'passphrase' || (name === 'key' && String(member).includes('-----BEGIN'));
      return [name, isSecret && member !== undefined ? MASK : withoutKeys(member)];
    }),
  );
}
