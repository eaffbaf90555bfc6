/** What `npm start` prints when everything runs: where the gateway is and how a client uses it. */

/** The document that the gateway prints on stdout. */
export interface ServeDocument {
  readonly mcpServers: Readonly<
    Record<string, { readonly type: string; readonly url: string; readonly headers: Readonly<Record<string, string>> }>
  >;
}

/** `unified` says that all servers can also be reached together, at `/mcp`. */
export function renderGuide(document: ServeDocument, unified: boolean, configFile: string): string {
  const servers = Object.entries(document.mcpServers);
  const [first] = servers;
  if (first === undefined) return `The gateway runs, and ${configFile} names no server yet.`;
  const [, { type, url, headers }] = first;
  const token = headers['Authorization'] ?? '';
  const all = { type, url: new URL('/mcp', url).href, headers };
  const endpoints = [
    ...servers.map(([name, server]) => [name, server.url] as const),
    ...(unified ? [['all of them', all.url] as const] : []),
    ['health', new URL('/health', url).href] as const,
  ];
  const width = Math.max(...endpoints.map(([name]) => name.length));
  const entries = unified
    ? { gatehouse: all }
    : Object.fromEntries(servers.map(([name, server]) => [name, { ...server }] as const));
  const claude = Object.entries(entries).map(
    ([name, entry]) => `  claude mcp add --transport http ${name} ${entry.url} --header "Authorization: ${token}"`,
  );
  return `
Gatehouse is ready.

Endpoints
${endpoints.map(([name, address]) => `  ${name.padEnd(width)}  ${address}`).join('\n')}

Token, sent as the Authorization header
  ${token}

Try it
  ${curlLine(url, token)}

Claude Code
${claude.join('\n')}

VS Code (.vscode/mcp.json)
${indent({ servers: entries })}

Cursor (.cursor/mcp.json), and every other client that reads "mcpServers"
${indent({ mcpServers: entries })}

The configuration is ${configFile}. Change it, and the change is loaded at once; \`npx gatehouse validate ${configFile}\` checks it.
Ctrl-C ends everything that was started here.
`;
}

/** One request that the gateway answers for any MCP server without a session. */
function curlLine(url: string, token: string): string {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' });
  const headers = [
    `Authorization: ${token}`,
    'Content-Type: application/json',
    'Accept: application/json, text/event-stream',
  ];
  return `curl -sS ${url} ${headers.map((header) => `-H '${header}'`).join(' ')} -d '${body}'`;
}

function indent(value: object): string {
  return JSON.stringify(value, undefined, 2).replaceAll(/^/gm, '  ');
}
