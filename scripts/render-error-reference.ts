/** Renders `docs/reference/errors.md` from the one table of errors. */
import { ERRORS, type ErrorSource } from '../src/shared/errors.ts';

const SOURCES: readonly (readonly [source: ErrorSource, title: string, explanation: string])[] = [
  [
    'client',
    'Caused by the request',
    'Sending the same request again gives the same answer, unless the column *retry* says yes.',
  ],
  [
    'upstream',
    'Caused by an MCP server',
    'The request was in order. `data.server` names the server, `/health` and its log file say more.',
  ],
  ['gateway', 'Caused by the gateway', 'Neither the request nor a server is at fault.'],
];

const INTRODUCTION = `# Errors

<!-- Generated from src/shared/errors.ts. Do not edit: change the table there. -->

Every failure has one code, one HTTP status and one JSON-RPC code. A failure that concerns the HTTP request as a whole
(credentials, limits, sessions, an unknown endpoint) is answered with the status and a JSON-RPC error as body. Once a
JSON-RPC request was accepted, its failure is a JSON-RPC error under HTTP 200, since the exchange itself has worked.

\`\`\`json
{
  "jsonrpc": "2.0",
  "id": 7,
  "error": {
    "code": -32002,
    "message": "The MCP server timed out: \\"tools/call\\" on server \\"github\\" got no answer within 60.0 s.",
    "data": {
      "server": "github",
      "detail": "\\"tools/call\\" on server \\"github\\" got no answer within 60.0 s.",
      "error": "server_timeout",
      "requestId": "5f0c9a1e77b2d483"
    }
  }
}
\`\`\`

\`data.error\` is the code of the tables below. \`data.requestId\` is also in the \`X-Request-Id\` header of the response and
in every log line about the request. Errors that a server itself answers with are passed on as they are.
`;

/** The whole page as Markdown, ending in a newline. */
export function renderErrorReference(): string {
  return [INTRODUCTION, ...SOURCES.map(([source, title, explanation]) => section(source, title, explanation))].join(
    '\n',
  );
}

function section(source: ErrorSource, title: string, explanation: string): string {
  const rows = Object.entries(ERRORS)
    .filter(([, row]) => row.source === source)
    .map(([code, row]) => {
      const cells = [
        `\`${code}\``,
        String(row.status),
        String(row.rpcCode),
        row.retryable ? 'yes' : 'no',
        row.meaning.replaceAll('|', '\\|'),
      ];
      return `| ${cells.join(' | ')} |`;
    });
  const table = ['| code | HTTP | JSON-RPC | retry | meaning |', '|---|---|---|---|---|', ...rows].join('\n');
  return `## ${title}\n\n${explanation}\n\n${table}\n`;
}
