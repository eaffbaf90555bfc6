/** From the entry of a registered server to its ServerConfig, by the rules that hold for a file. */
import type { Config, Diagnostic, ServerConfig } from './config.ts';
import { Diagnostics } from './diagnostics.ts';
import { MATERIAL_ROOTS_VARIABLE, materialPathProblem, materialPaths } from './material-roots.ts';
import type { MountPolicy } from './mount-policy.ts';
import { checkName, readServer } from './read-server.ts';
import type { Registration } from './registration.ts';
import { isTooDeep, TOO_DEEP } from './sources/document.ts';
import type { UpstreamTlsConfig } from './tls-config.ts';

export interface StoredServer {
  readonly name: string;
  /** As it would stand below `mcpServers`, its secrets in their places. */
  readonly entry: Readonly<Record<string, unknown>>;
  readonly registration: Registration;
}

export interface StoredServerContext {
  readonly gateway: Config['gateway'];
  readonly mountPolicy: MountPolicy;
  /** Directories that certificates and keys may lie in. */
  readonly materialRoots: readonly string[];
}

export type BuiltServer =
  | { readonly ok: true; readonly server: ServerConfig; readonly warnings: readonly Diagnostic[] }
  | { readonly ok: false; readonly errors: readonly Diagnostic[]; readonly warnings: readonly Diagnostic[] };

/**
 * Paths in diagnostics begin inside the entry: `tls.ca`. Expressions such as `${NAME}` stay as they are, and no variable
 * of the gateway is passed on: who registers a server must not be able to read the environment of the gateway.
 */
export async function buildStoredServer(
  { name, entry, registration }: StoredServer,
  { gateway, mountPolicy, materialRoots }: StoredServerContext,
): Promise<BuiltServer> {
  if (isTooDeep(entry)) return { ok: false, errors: [TOO_DEEP], warnings: [] };
  const log = new Diagnostics({ dialect: 'json', value: entry, positionOf: () => undefined }, new Map());
  checkName(name, ['name'], log);
  const server = await readServer(name, entry, [], {
    dialect: 'json',
    custom: { names: new Set(), checkType: () => Promise.resolve() },
    gateway,
    requireDigests: gateway.requireDigests,
    env: {},
    mountPolicy,
    log,
    registrationOf: () => registration,
  });
  if (server?.kind === 'http' && server.tls !== undefined) await checkPaths(server.tls, materialRoots, log);
  const { errors, warnings } = log;
  return server === undefined || errors.length > 0 ? { ok: false, errors, warnings } : { ok: true, server, warnings };
}

async function checkPaths(tls: UpstreamTlsConfig, roots: readonly string[], log: Diagnostics): Promise<void> {
  for (const [field, path] of materialPaths(tls)) {
    const problem = await materialPathProblem(path, roots);
    if (problem === undefined) continue;
    log.error({
      path: ['tls', field],
      message: `the path of 'tls.${field}' ${problem}`,
      suggestion: `Put the file there, give its PEM text in place of the path, or have the operator list its directory in ${MATERIAL_ROOTS_VARIABLE}.`,
    });
  }
}
