/** What operators are told of certificates: which there are, who uses them, and when they end. */
import { readFileSync, writeFileSync } from 'node:fs';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { certificateNote } from '../../src/tls/certificate-note.ts';
import { parseCertificates } from '../../src/tls/certificate.ts';
import { ExpiryWatch, expiryThreshold } from '../../src/tls/expiry.ts';
import type { Inventory } from '../../src/tls/inventory.ts';
import { runMain } from '../rig/gateway-process.ts';
import { createPki, type Issued, type Pki } from '../rig/pki.ts';
import { AGENT_ID, startTlsGateway, type TlsGatewayOptions } from './tls-gateway.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
let pki: Pki;
let names: Readonly<Record<'listener' | 'sni' | 'month' | 'week' | 'day' | 'long', Issued>>;
let crl: string;
beforeAll(() => {
  pki = createPki();
  names = {
    listener: pki.issue('localhost', { san: 'DNS:localhost,IP:127.0.0.1', untilDays: 20 }),
    sni: pki.issue('api.example', { san: 'DNS:api.example', untilDays: 200 }),
    month: pki.issue('Month', { untilDays: 29.5 }),
    week: pki.issue('Week', { untilDays: 6.5 }),
    day: pki.issue('Day', { untilDays: 0.5 }),
    long: pki.issue('Long', { untilDays: 31 }),
  };
  crl = pki.crl('clients.crl', [], { untilDays: 5 });
});
afterAll(() => pki[Symbol.dispose]());

function config(): TlsGatewayOptions['config'] {
  const server = ({ cert, key }: Issued): object => ({
    type: 'http',
    url: 'https://127.0.0.1:9/mcp',
    tls: { ca: pki.ca.cert, cert, key },
  });
  const { cert, key } = names.listener;
  const sni = [{ cert: names.sni.cert, key: names.sni.key }];
  return {
    mcpServers: {
      month: server(names.month),
      week: server(names.week),
      day: server(names.day),
      long: server(names.long),
    },
    gateway: { tls: { cert, key, sni, ca: pki.ca.cert, crl, clientAuth: 'optional' }, startup: 'resilient' },
  };
}

const fingerprintOf = ({ cert }: Issued): string =>
  pki.openssl('x509', '-in', cert, '-noout', '-fingerprint', '-sha256').trim().replace(/^.*=/, '');

/** Lines leave the gateway in batches. */
const PATIENCE = { timeout: 30_000 };

describe('T-TLS-017 certificates that end soon', () => {
  it('are warned of at the start, 30, 7 and 1 days ahead, and are a metric with subject, fingerprint, role and user', async () => {
    await using gateway = await startTlsGateway({ ca: pki.ca.cert, config: config() });
    const warned = async (): Promise<readonly Readonly<Record<string, unknown>>[]> =>
      (await gateway.logs()).filter(({ msg }) => String(msg).includes('expires in less than'));
    const told = async (): Promise<Readonly<Record<string, unknown>>> =>
      Object.fromEntries<unknown>((await warned()).map(({ subject, msg }) => [String(subject), msg]));
    await expect.poll(told, PATIENCE).toMatchObject({
      'CN=Month': 'a certificate expires in less than 30 days',
      'CN=Week': 'a certificate expires in less than 7 days',
      'CN=Day': 'a certificate expires in less than a day',
      'CN=localhost': 'a certificate expires in less than 30 days',
    });
    await expect
      .poll(async () => (await warned()).map(({ msg }) => msg), PATIENCE)
      .toContain('a revocation list expires in less than 7 days');
    expect(await told()).not.toHaveProperty('CN=Long');
    const warnings = await warned();
    expect(warnings.find(({ subject }) => subject === 'CN=Week')).toMatchObject({ level: 'warn', servers: ['week'] });

    const text = await (await gateway.request('/metrics')).text();
    const series = (labels: string): number => {
      const line = text
        .split('\n')
        .find((each) => each.startsWith(`gatehouse_certificate_expiry_timestamp_seconds{${labels}}`));
      return Number(line?.split(' ').at(-1));
    };
    const labels = (subject: string, fingerprint: string, role: string, user: string): string =>
      `subject="${subject}",fingerprint="${fingerprint}",role="${role}",user="${user}"`;
    const week = series(labels('CN=Week', fingerprintOf(names.week), 'client-certificate', 'server:week'));
    expect(Math.round(((week * 1000 - Date.now()) / DAY_MS) * 2) / 2).toBe(6.5);
    const authority = fingerprintOf(pki.ca);
    for (const user of ['listener', 'server:week', 'server:day'])
      expect(series(labels('CN=Test CA', authority, 'authority', user)), user).toBeGreaterThan(Date.now() / 1000);
    expect(
      series(labels('CN=localhost', fingerprintOf(names.listener), 'listener-certificate', 'listener')),
    ).not.toBeNaN();
    expect(series(labels('CN=api.example', fingerprintOf(names.sni), 'sni-certificate', 'listener'))).not.toBeNaN();
    expect(series(labels('CN=Test CA', '', 'revocation-list', 'listener'))).not.toBeNaN();
  });

  it('are told of once for each threshold, and loudly when it is too late', async () => {
    const [certificate] = parseCertificates({ where: 'week.crt', bytes: readFileSync(names.week.cert) });
    if (certificate === undefined) throw new Error('no certificate');
    const lines: { level: number; msg: string }[] = [];
    const log = pino(
      {},
      { write: (line: string) => void lines.push(JSON.parse(line) as { level: number; msg: string }) },
    );
    let now = new Date(certificate.validToDate.getTime() - 31 * DAY_MS);
    const note = certificateNote('client-certificate', certificate, 'week.crt');
    using watch = new ExpiryWatch({ notes: () => [{ note, listener: false, servers: ['web'] }], log, now: () => now });
    for (const days of [31, 30, 29, 7, 6, 1, 0.5, 0, -1]) {
      now = new Date(certificate.validToDate.getTime() - days * DAY_MS);
      watch.look();
    }
    expect(lines.map(({ level, msg }) => `${level} ${msg}`)).toEqual([
      '40 a certificate expires in less than 30 days',
      '40 a certificate expires in less than 7 days',
      '40 a certificate expires in less than a day',
      '50 a certificate has expired',
    ]);
  });

  it.each([
    [30.1, undefined],
    [30, 30],
    [7, 7],
    [1, 1],
    [0, 0],
    [-5, 0],
  ])('%d days ahead is threshold %s', (days, threshold) => {
    const now = new Date('2026-01-01T00:00:00Z');
    expect(expiryThreshold(new Date(now.getTime() + days * DAY_MS), now)).toBe(threshold);
  });
});

describe('gatehouse certs', () => {
  it('lists what a configuration names, without a gateway that runs: what ends first stands first', async () => {
    const file = pki.path('config.json');
    writeFileSync(
      file,
      JSON.stringify({
        ...config(),
        gateway: { port: 8443, domain: 'localhost', agentId: AGENT_ID, ...config().gateway },
      }),
    );
    const json = runMain(['certs', '--json', file]);
    expect((await json.exited).status).toBe(0);
    const { certificates, problems } = JSON.parse(json.stdout) as Inventory;
    expect(problems).toEqual([]);
    expect(certificates.map(({ role, subject }) => `${role} ${subject}`)).toEqual([
      'client-certificate CN=Day',
      'revocation-list CN=Test CA',
      'client-certificate CN=Week',
      'listener-certificate CN=localhost',
      'client-certificate CN=Month',
      'client-certificate CN=Long',
      'sni-certificate CN=api.example',
      'authority CN=Test CA',
    ]);
    expect(certificates[2]).toMatchObject({
      names: [],
      fingerprint: fingerprintOf(names.week),
      serial: names.week.serial,
      daysLeft: 6,
      state: 'expiring',
      source: names.week.cert,
      usedByListener: false,
      usedByServers: ['week'],
    });
    expect(certificates.at(-1)).toMatchObject({
      usedByListener: true,
      usedByServers: ['month', 'week', 'day', 'long'],
    });
    const text = runMain(['certs', file]);
    expect((await text.exited).status).toBe(0);
    expect(text.stdout).toContain(`client certificate: ${names.week.cert}\n  subject      CN=Week\n`);
    expect(text.stdout).toContain('(in 6 days) — soon\n');
    expect(text.stdout).toContain('  used by      the listener, server "month", server "week"');
  });

  it('says what cannot be used, and fails then', async () => {
    const file = pki.path('broken.json');
    const tls = { ca: pki.ca.cert, cert: names.week.cert, key: names.day.key };
    const gateway = { port: 8080, domain: 'localhost', agentId: AGENT_ID };
    writeFileSync(
      file,
      JSON.stringify({ mcpServers: { web: { type: 'http', url: 'https://127.0.0.1:9/mcp', tls } }, gateway }),
    );
    const program = runMain(['certs', file]);
    expect((await program.exited).status).toBe(1);
    expect(program.stdout).toMatch(
      /cannot be used: .*Day\.key\n {2}reason {7}the key does not belong to the certificate/,
    );
  });

  it('asks a gateway that runs, which needs credentials; a renewed certificate is there after a reload', async () => {
    const live = pki.issue('localhost', { file: 'live', san: 'DNS:localhost', untilDays: 90 });
    const next = pki.issue('localhost', { file: 'next', san: 'DNS:localhost', untilDays: 120 });
    const tls = { cert: live.cert, key: live.key };
    const mcpServers = { away: { type: 'http', url: 'http://127.0.0.1:9/mcp' } };
    await using gateway = await startTlsGateway({
      ca: pki.ca.cert,
      config: { mcpServers, gateway: { tls, startup: 'resilient' } },
    });
    const ask = async (env: Readonly<Record<string, string>>): Promise<ReturnType<typeof runMain>> => {
      const program = runMain(['certs', '--json', '--url', gateway.origin, '--ca', pki.ca.cert], '', env);
      await program.exited;
      return program;
    };
    const before = JSON.parse((await ask({ MCP_GATEWAY_AGENT_ID: AGENT_ID })).stdout) as Inventory;
    expect(before.certificates).toMatchObject([{ serial: live.serial, usedByListener: true }]);
    expect((await ask({})).stderr).toMatch(/set MCP_GATEWAY_AGENT_ID/);
    expect((await ask({ MCP_GATEWAY_AGENT_ID: 'wrong-0123456789abcdef' })).stderr).toMatch(/answered HTTP 401/);
    writeFileSync(live.cert, readFileSync(next.cert));
    writeFileSync(live.key, readFileSync(next.key));
    expect((await gateway.hangup()).ok).toBe(true);
    const after = JSON.parse((await ask({ MCP_GATEWAY_AGENT_ID: AGENT_ID })).stdout) as Inventory;
    expect(after.certificates).toMatchObject([{ serial: next.serial, usedByListener: true }]);
  });
});

it('T-TLS-009 a reload that fails because of certificates is counted, and the last success stays', async () => {
  const live = pki.issue('localhost', { file: 'counted', san: 'DNS:localhost' });
  const mcpServers = { away: { type: 'http', url: 'http://127.0.0.1:9/mcp' } };
  await using gateway = await startTlsGateway({
    ca: pki.ca.cert,
    config: { mcpServers, gateway: { tls: { cert: live.cert, key: live.key }, startup: 'resilient' } },
  });
  const metric = async (name: string): Promise<number> => {
    const text = await (await gateway.request('/metrics')).text();
    return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
  };
  expect((await gateway.hangup()).ok).toBe(true);
  const success = await metric('gatehouse_reload_last_success_timestamp_seconds');
  expect(success).toBeGreaterThan(Date.now() / 1000 - 60);
  writeFileSync(live.cert, '');
  expect((await gateway.hangup()).ok).toBe(false);
  await vi.waitFor(async () => expect(await metric('gatehouse_tls_reload_failures_total')).toBe(1), 20_000);
  expect(await metric('gatehouse_reloads_total\\{result="failed"\\}')).toBe(1);
  expect(await metric('gatehouse_reload_last_success_timestamp_seconds')).toBe(success);
});
