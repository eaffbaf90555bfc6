/** Which directories the files of a registered server may lie in: who registers one must not make the gateway read others. */
import { realpath } from 'node:fs/promises';
import { dirname, isAbsolute, join, resolve, sep } from 'node:path';
import type { GatewayConfig } from './config.ts';
import type { Environment } from './expand.ts';
import type { KeyPairConfig, UpstreamTlsConfig } from './tls-config.ts';

/** Names the directories, separated by commas, in place of those of the listener's own files. */
export const MATERIAL_ROOTS_VARIABLE = 'MCP_GATEWAY_ALLOWED_MATERIAL_ROOTS';

/**
 * The directories, as they are written and without symbolic links: what the variable lists, else where the listener's own
 * files lie; and always `certs` in the data directory.
 */
export async function materialRoots({ tls, dataDir }: GatewayConfig, env: Environment): Promise<readonly string[]> {
  const listed = env[MATERIAL_ROOTS_VARIABLE];
  const written =
    listed === undefined
      ? [tls, ...(tls?.sni ?? [])].flatMap(filesOf).map((file) => dirname(resolve(file)))
      : listed
          .split(',')
          .map((path) => path.trim())
          .filter((path) => isAbsolute(path));
  const roots = [...(dataDir === undefined ? [] : [join(dataDir, 'certs')]), ...written].map((path) => resolve(path));
  const real = await Promise.all(roots.map((root) => realpath(root).catch(() => root)));
  return [...new Set([...roots, ...real])];
}

/** The fields of an identity that name files. */
export function materialPaths(tls: UpstreamTlsConfig): readonly (readonly [field: string, path: string])[] {
  const { ca, cert, key, pfx } = tls;
  return Object.entries({ ca, cert, key, pfx }).flatMap(([field, value]) =>
    value === undefined || (field !== 'pfx' && value.includes('-----BEGIN')) ? [] : [[field, value] as const],
  );
}

/** What is wrong with the path; undefined when its file may be read. Says nothing of what lies outside. */
export async function materialPathProblem(path: string, roots: readonly string[]): Promise<string | undefined> {
  const list = roots.length === 0 ? 'none' : roots.join(', ');
  const outside = `is not below one of the directories that files of registered servers may lie in (${list})`;
  if (!isAbsolute(path)) return 'is not an absolute path';
  if (!isBelow(resolve(path), roots)) return outside;
  try {
    return isBelow(await realpath(path), roots) ? undefined : outside;
  } catch {
    // Why it cannot be read is said by who reads it.
    return undefined;
  }
}

function filesOf(pair: (KeyPairConfig & { readonly ca?: string | undefined }) | undefined): readonly string[] {
  return [pair?.cert, pair?.key, pair?.pfx, pair?.ca].filter(
    (value) => value !== undefined && !value.includes('-----BEGIN'),
  ) as readonly string[];
}

function isBelow(path: string, roots: readonly string[]): boolean {
  return roots.some((root) => path.startsWith(root.endsWith(sep) ? root : `${root}${sep}`));
}
