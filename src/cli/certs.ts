/** `gatehouse certs`: every certificate, authority and revocation list of a configuration or of a running gateway, and when it ends. */
import { readFile } from 'node:fs/promises';
import { loadConfig } from '../config/load.ts';
import { formatDiagnostics } from '../config/report.ts';
import { inventory, type CertificateRecord, type Inventory } from '../tls/inventory.ts';
import { loadMaterial, notesOf, problemsOf } from '../tls/identities.ts';
import { MaterialError } from '../tls/material-error.ts';
import { readStable } from '../tls/read-stable.ts';
import { loadUpstream, PLAIN_IDENTITY, UpstreamIdentity } from '../tls/upstream-identity.ts';
import { Connector } from '../upstream/http/connector.ts';
import { networkError } from '../upstream/http/http-errors.ts';
import { readText } from '../upstream/http/read-answer.ts';
import { EXIT_FAILURE, EXIT_OK } from './exit-codes.ts';
import { readConfigurationFile, readConfigurationStream, UnreadableConfiguration } from './read-configuration.ts';
import { writeDocument, writeText } from './stdout-document.ts';
import { UsageError } from './usage-error.ts';

/** Where to look: in a configuration (`-` = JSON on stdin), or at a gateway that runs. */
export type CertsSource =
  | { readonly kind: 'file'; readonly file: string }
  | { readonly kind: 'gateway'; readonly url: string; readonly ca: string | undefined };

const TIMEOUT_MS = 10_000;
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

/** Resolves with the exit status: a failure when something has expired or cannot be used. */
export async function certs(source: CertsSource, json: boolean, env: NodeJS.ProcessEnv): Promise<number> {
  const found = source.kind === 'file' ? await fromFile(source.file, env) : await fromGateway(source, env);
  if (found === undefined) return EXIT_FAILURE;
  if (json) await writeDocument(found);
  else await writeText(render(found));
  const isBad = found.problems.length > 0 || found.certificates.some(({ state }) => state === 'expired');
  return isBad ? EXIT_FAILURE : EXIT_OK;
}

/** undefined when the configuration has faults, which have been told then. */
async function fromFile(file: string, env: NodeJS.ProcessEnv): Promise<Inventory | undefined> {
  try {
    const source = await (file === '-' ? readConfigurationStream(process.stdin) : readConfigurationFile(file));
    // Nothing is fetched: whether custom types fit their schemas does not matter to certificates.
    const result = await loadConfig({ source, env, fetchSchema: async () => '{}' });
    if (!result.ok) {
      process.stderr.write(formatDiagnostics(result.errors, source.name));
      return undefined;
    }
    const material = await loadMaterial(result.config);
    return inventory(notesOf(material), problemsOf(material), new Date());
  } catch (error) {
    if (error instanceof MaterialError)
      return { certificates: [], problems: [{ source: error.where, reason: error.reason, servers: [] }] };
    if (!(error instanceof UnreadableConfiguration)) throw error;
    process.stderr.write(formatDiagnostics([error.diagnostic], error.source));
    return undefined;
  }
}

async function fromGateway(
  { url: text, ca }: CertsSource & { readonly kind: 'gateway' },
  env: NodeJS.ProcessEnv,
): Promise<Inventory> {
  if (!URL.canParse(text) || !/^https?:/.test(text))
    throw new UsageError([`invalid --url: '${text}' is no http(s) URL`]);
  const url = new URL('/certs', text);
  const agentId = env['MCP_GATEWAY_AGENT_ID'];
  if (agentId === undefined || agentId === '')
    throw new UsageError(['--url needs credentials: set MCP_GATEWAY_AGENT_ID to an agent id or token of the gateway']);
  await using connector = new Connector({ connectTimeoutMs: TIMEOUT_MS, identity: await trusting(url, ca) });
  try {
    const response = await connector.request({
      url,
      method: 'GET',
      headers: { authorization: `Bearer ${agentId}`, accept: 'application/json' },
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headersTimeoutMs: TIMEOUT_MS,
      bodyTimeoutMs: TIMEOUT_MS,
    });
    const body = await readText(response, MAX_ANSWER_BYTES);
    if (response.status !== 200) throw new UsageError([`${url.href} answered HTTP ${response.status}`]);
    return JSON.parse(body) as Inventory;
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError([networkError(error, { server: url.host, url }).detail ?? `${url.host} did not answer`]);
  }
}

async function trusting({ protocol }: URL, ca: string | undefined): Promise<UpstreamIdentity | undefined> {
  if (protocol !== 'https:') return undefined;
  const config = ca === undefined ? PLAIN_IDENTITY : { ...PLAIN_IDENTITY, ca: await readFile(ca, 'utf8') };
  return new UpstreamIdentity(config, await loadUpstream(config, await readStable([])));
}

function render({ certificates, problems }: Inventory): string {
  const parts = [
    ...certificates.map(describe),
    ...problems.map(({ source, reason }) => `cannot be used: ${source}\n  reason       ${reason}\n`),
  ];
  return parts.length === 0
    ? 'There are no certificates: the listener and all servers use plain HTTP, or the authorities of the system.\n'
    : parts.join('\n');
}

function describe(record: CertificateRecord): string {
  const { role, source, subject, names, serial, fingerprint, usedByListener, usedByServers } = record;
  const users = [...(usedByListener ? ['the listener'] : []), ...usedByServers.map((name) => `server "${name}"`)];
  const lines: readonly (readonly [string, string | undefined])[] = [
    ['subject', subject],
    ['names', names.length === 0 ? undefined : names.join(', ')],
    ['ends', ending(record)],
    ['serial', serial],
    ['fingerprint', fingerprint],
    ['used by', users.join(', ') || 'nobody'],
  ];
  const told = lines.flatMap(([name, value]) => (value === undefined ? [] : `  ${name.padEnd(12)} ${value}\n`));
  return `${role.replaceAll('-', ' ')}: ${source}\n${told.join('')}`;
}

function ending({ notAfter, daysLeft, state }: CertificateRecord): string {
  if (notAfter === undefined || daysLeft === undefined) return 'never';
  if (state === 'expired') return `${notAfter} — EXPIRED`;
  const left = daysLeft === 0 ? 'in less than a day' : daysLeft === 1 ? 'in 1 day' : `in ${daysLeft} days`;
  return `${notAfter} (${left})${state === 'expiring' ? ' — soon' : ''}`;
}
