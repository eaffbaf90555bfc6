/** Reads the entry of one server, wherever it comes from: which kind it is, and what belongs to that kind. */
import { buildContainerServer, type ServerContext } from './build/container.ts';
import { buildHttpServer } from './build/http.ts';
import { refuseMisplacedCommand, serverType } from './build/server-type.ts';
import type { ServerConfig } from './config.ts';
import type { Diagnostics } from './diagnostics.ts';
import { readScope, reportUnknown, type Scope, writtenPath } from './dialect.ts';
import { anyServerFields, anyServerSchema } from './schema/server.ts';
import { type Dialect, isTable, type Path } from './sources/document.ts';

export interface EntryContext extends ServerContext {
  readonly dialect: Dialect;
  /** The types that the operator has registered. */
  readonly custom: {
    readonly names: ReadonlySet<string>;
    readonly checkType: (scope: Scope, type: string) => Promise<void>;
  };
}

/** undefined for an entry that cannot be read at all. Every fault is reported; the result may be used only when there was none. */
export async function readServer(
  name: string,
  entry: unknown,
  at: Path,
  context: EntryContext,
): Promise<ServerConfig | undefined> {
  const { log, dialect, custom } = context;
  if (!isTable(entry)) {
    log.error({
      path: at,
      message: `a server must be an object, got ${log.shown(at, entry)}`,
      suggestion: exampleOf(dialect),
    });
    return undefined;
  }
  const scope = readScope(entry, anyServerSchema, at, dialect, log);
  const type = serverType(scope, custom.names, log);
  if (type?.kind !== 'custom')
    for (const stray of scope.unknown) reportUnknown(scope, stray, log, Object.keys(anyServerFields));
  refuseServerGuards(scope, log);
  if (type?.kind === 'custom') await custom.checkType(scope, type.name);
  if (type === undefined) {
    if ('command' in scope.values) refuseMisplacedCommand(scope, name, context.gateway.containerRuntime.engine, log);
    return undefined;
  }
  if (type.kind === 'http') return buildHttpServer(name, scope, context);
  return buildContainerServer(name, scope, type.kind === 'custom' ? type.name : undefined, context);
}

/** How to write one server, for suggestions. */
export function exampleOf(dialect: Dialect): string {
  return dialect === 'json'
    ? 'Add for example "mcpServers": {"time": {"container": "mcp/time"}}.'
    : 'Add for example a table [servers.time] with container = "mcp/time".';
}

/** A name is a segment of a URL path, part of file names in the log directory and of tool names. */
export function checkName(name: string, path: Path, log: Diagnostics): void {
  if (['constructor', 'prototype'].includes(name)) {
    log.error({
      path,
      message: `a server cannot have the name '${name}'`,
      suggestion: 'Rename the server.',
      atKey: true,
    });
    return;
  }
  if (/^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/.test(name)) return;
  log.error({
    path,
    message:
      'a server name must be 1 to 64 letters, digits, dots, hyphens or underscores, starting with a letter, digit or underscore',
    suggestion: 'Rename the server; its name becomes part of its URL.',
    atKey: true,
  });
}

function refuseServerGuards(scope: Scope, log: Diagnostics): void {
  for (const field of ['guard', 'guardPolicies', 'toolResponseFilters'] as const) {
    if (!(field in scope.values)) continue;
    const path = writtenPath(scope, [field]);
    const what = field === 'toolResponseFilters' ? 'response filters' : 'guards';
    log.error({
      path,
      message: `this version of Gatehouse does not have ${what}, so '${String(path.at(-1))}' would protect nothing`,
      suggestion: `Remove '${String(path.at(-1))}'.`,
      atKey: true,
    });
  }
}
