/** `npm run generate`: writes the pages that are made from the sources; `--check` fails when one is out of date. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { permissionsReference } from '../src/auth/reference.ts';
import { apiReference } from '../src/admin/openapi/reference.ts';
import { ROUTES } from '../src/admin/routes/table.ts';
import { renderReference } from '../src/cli/reference.ts';
import { configurationReference } from '../src/config/reference.ts';
import { OPERATION_PERMISSIONS } from '../src/proxy/operations.ts';
import { METHOD_PERMISSIONS } from '../src/proxy/permit.ts';
import { ERRORS } from '../src/shared/errors.ts';
import { metricsReference } from '../src/telemetry/metric-table.ts';

/** Path from the root → content. */
const PAGES: Readonly<Record<string, () => string>> = {
  'docs/reference/api.md': () => apiReference(ROUTES),
  'docs/reference/cli.md': renderReference,
  'docs/reference/configuration.md': configurationReference,
  'docs/reference/errors.md': renderErrors,
  'docs/reference/metrics.md': metricsReference,
  'docs/reference/permissions.md': () =>
    permissionsReference({ methods: METHOD_PERMISSIONS, operations: OPERATION_PERMISSIONS }),
};

const check = process.argv.includes('--check');
for (const [path, render] of Object.entries(PAGES)) {
  const file = fileURLToPath(new URL(`../${path}`, import.meta.url));
  const wanted = render();
  const found = await readFile(file, 'utf8').catch(() => '');
  if (found === wanted) continue;
  if (check) {
    console.error(`${path} is out of date`);
    process.exitCode = 1;
    continue;
  }
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, wanted);
  console.log(`wrote ${path}`);
}

function renderErrors(): string {
  const rows = Object.entries(ERRORS).map(([code, { source, retryable, status, rpcCode, meaning }]) => {
    const again = retryable ? 'yes' : 'no';
    return `| \`${code}\` | ${source} | ${again} | ${status} | ${rpcCode} | ${meaning.replaceAll('|', '\\|')} |`;
  });
  return `# Errors

Every way in which a request can fail, made from \`src/shared/errors.ts\` by \`npm run generate\`. *Caused by* says
whose fault it is: the caller's (\`client\`), the gateway's, or that of the MCP server behind it (\`upstream\`).
*Again* says whether the same request may succeed later without being changed.

| code | caused by | again | HTTP status | JSON-RPC code | meaning, and what to do |
| --- | --- | --- | --- | --- | --- |
${rows.join('\n')}
`;
}
