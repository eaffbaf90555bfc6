/** Lists the values of a configuration and of the environment that no log may hold. */
import { unescape } from 'node:querystring';
import type { Config } from '../config/config.ts';
import type { KeyPairConfig } from '../config/tls-config.ts';
import { nameRule } from './secret-names.ts';

/** Agent ids, the values of all variables and headers of servers, credentials inside URLs, keys and what opens them. */
export function configSecrets({ gateway, servers }: Config): readonly string[] {
  return [
    ...gateway.agentIds,
    ...(gateway.hmacSecret === undefined ? [] : [gateway.hmacSecret]),
    ...gateway.auth.issuers.flatMap(({ keys }) => (keys.kind === 'secret' ? [keys.secret] : [])),
    ...[gateway.tls, ...(gateway.tls?.sni ?? [])].flatMap(keySecrets),
    ...servers.flatMap((server) =>
      server.kind === 'container'
        ? Object.values(server.container.env)
        : [
            ...Object.values(server.headers),
            ...Object.values(server.query ?? {}),
            ...urlSecrets(server.url),
            ...keySecrets(server.tls),
          ],
    ),
  ];
}

/** Their names sound like secrets, and their values are paths: without them no message about a file could be read. */
const PATHS = new Set(['PWD', 'OLDPWD', 'MCP_GATEWAY_TLS_KEY']);

/** The values of variables whose names say that they are secret: GITHUB_TOKEN, ACTIONS_ID_TOKEN_REQUEST_TOKEN, … */
export function environmentSecrets(env: Readonly<Record<string, string | undefined>>): readonly string[] {
  return Object.entries(env).flatMap(([name, value]) =>
    value === undefined || PATHS.has(name) || nameRule(name) === 'none' ? [] : [value],
  );
}

/** A passphrase, and a key that is written in the configuration itself; the path of a file is no secret. */
function keySecrets(pair: KeyPairConfig | undefined): readonly string[] {
  return [pair?.passphrase, pair?.key?.includes('-----BEGIN') === true ? pair.key : undefined].filter(
    (value) => value !== undefined,
  );
}

function urlSecrets(url: string): readonly string[] {
  const parsed = URL.parse(url);
  if (parsed === null) return [];
  const named = [...parsed.searchParams]
    .filter(([name]) => name === 'key' || nameRule(name) !== 'none')
    .map(([, value]) => value);
  // Unlike decodeURIComponent this one takes what is not well encoded as it is.
  return [parsed.password, unescape(parsed.password), ...named];
}
