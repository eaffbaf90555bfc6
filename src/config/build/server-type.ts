/**
 * Decides what kind of server an entry is. There is one decision, and everything later follows it, so that an entry
 * can never be checked as one kind and launched as another.
 */
import { CONTAINERIZATION_URL } from '../defaults.ts';
import type { Diagnostics } from '../diagnostics.ts';
import { type Scope, writtenPath } from '../dialect.ts';
import { formatPath } from '../sources/document.ts';

export type ServerType =
  | { readonly kind: 'container' }
  | { readonly kind: 'http' }
  | { readonly kind: 'custom'; readonly name: string };

/** A custom type that cannot be registered: these words have a meaning already. */
export const RESERVED_TYPES: readonly string[] = ['stdio', 'http', 'local'];

/** The kind of an entry; undefined after an error was reported. `custom` holds the registered types. */
export function serverType(scope: Scope, custom: ReadonlySet<string>, log: Diagnostics): ServerType | undefined {
  const written = scope.values['type'];
  if (!('type' in scope.values)) return { kind: 'container' };
  const path = writtenPath(scope, ['type']);
  const known = ['stdio', 'local', 'http', ...custom];
  // Folding is ASCII only: no letter that merely looks like, or lower-cases to, another one can pass for it.
  const folded =
    typeof written === 'string' ? /^[ \t\r\n]*([A-Za-z0-9-]+)[ \t\r\n]*$/.exec(written)?.[1]?.toLowerCase() : undefined;
  if (folded === 'stdio' || folded === 'local') return { kind: 'container' };
  if (folded === 'http') return { kind: 'http' };
  if (folded !== undefined && custom.has(folded)) return { kind: 'custom', name: folded };
  log.error({
    path,
    message: `unsupported server type ${log.shown(path, written)}`,
    suggestion:
      folded !== undefined && /^[a-z]/.test(folded)
        ? `Use one of: ${known.join(', ')}. A type of your own must be registered in '${scope.dialect === 'json' ? 'customSchemas' : 'custom_schemas'}'.`
        : `Use one of: ${known.join(', ')}.`,
  });
  return undefined;
}

/** A correct server in both dialects; each is a whole configuration, but for the gateway that JSON needs. */
export function containerExamples(
  serverName: string,
  engine: string,
): { readonly toml: string; readonly json: string } {
  const name = formatPath([serverName]);
  return {
    toml: `servers.${name} = { command = "${engine}", args = ["run", "--rm", "-i", "ghcr.io/owner/image:tag"] }`,
    json: `{"mcpServers": {${JSON.stringify(serverName)}: {"container": "ghcr.io/owner/image:tag"}}}`,
  };
}

/** The examples as a sentence. */
export function exampleText(serverName: string, engine: string): string {
  const { toml, json } = containerExamples(serverName, engine);
  return `In TOML: ${toml}. In JSON: ${json}.`;
}

/** The refusal of a host command: what was found, what the specification says, and how to write it instead. */
export function refuseHostCommand(scope: Scope, serverName: string, engine: string, log: Diagnostics, note = ''): void {
  const path = writtenPath(scope, ['command']);
  const found = log.shown(path, scope.values['command']);
  const what =
    scope.dialect === 'json'
      ? `'command' is not supported, use 'container'; got ${found}`
      : `command must be '${engine}', got ${found}`;
  log.error({
    path,
    message: `server '${serverName}': stdio servers must use containerized execution (${what}). This is required by MCP Gateway Specification Section 3.2.1 (Containerization Requirement). See: ${CONTAINERIZATION_URL}`,
    suggestion: `Run the server from a container image. ${exampleText(serverName, engine)}${note}`,
  });
}

/** The refusal of a command beside a type that is no container's: it would otherwise be checked as one kind and meant as another. */
export function refuseMisplacedCommand(scope: Scope, serverName: string, engine: string, log: Diagnostics): void {
  const path = writtenPath(scope, ['command']);
  const found = log.shown(path, scope.values['command']);
  log.error({
    path,
    message: `server '${serverName}': a server with a command (got ${found}) can only be a container, and its type ${log.shown(writtenPath(scope, ['type']), scope.values['type'])} is not one. Stdio servers must use containerized execution: MCP Gateway Specification Section 3.2.1 (Containerization Requirement). See: ${CONTAINERIZATION_URL}`,
    suggestion: `Remove the command, or leave the type out and run the server from a container image. ${exampleText(serverName, engine)}`,
  });
}
