import { expect, it } from 'vitest';
import { METRICS } from './metric-table.ts';
import { Metrics, type MetricSources } from './metrics.ts';

const NOTHING: MetricSources = {
  requestsInFlight: 0,
  sessions: 0,
  webSockets: 0,
  servers: [],
  reloads: { succeeded: 0, failed: 0, tlsFailures: 0, lastSuccess: undefined },
  certificates: [],
  workers: { serving: 0, exits: 0, counts: [] },
  store: {
    engine: 'sqlite',
    up: true,
    writable: true,
    lastAnswer: 1_000,
    errors: new Map([['full', 2]]),
    sizes: new Map([['database', 4_096]]),
    connections: new Map<string, number>(),
    changes: { bounds: [1, 5], buckets: [1, 2, 0], sum: 9 },
    changesWaiting: 0,
    auditLines: 3,
    denialsWaiting: 0,
    denialsLost: 0,
  },
};
const everything = (): boolean => true;
const server = (name: string): MetricSources['servers'][number] => ({
  name,
  state: 'healthy',
  up: true,
  since: 1_700_000_000_500,
  conversations: 2,
});

it('every metric of the table is in the text, with its type', () => {
  using metrics = new Metrics('1.2.3');
  const text = metrics.text(NOTHING, everything);
  const typed = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type]);
  const known = Object.entries(METRICS).map(([name, { type }]) => [name, type]);
  expect(Object.fromEntries(typed)).toEqual(Object.fromEntries(known));
  expect(typed).toHaveLength(known.length);
  expect(text).toContain('gatehouse_build_info{version="1.2.3"} 1\n');
});

it('requests are counted by route, server, method and outcome, and timed in cumulated buckets', () => {
  using metrics = new Metrics('1');
  metrics.request('server', 'github', 'tools/call', 'ok', 3);
  metrics.request('server', 'github', 'tools/call', 'ok', 4);
  metrics.request('server', 'github', 'tools/call', 'server_timeout', 200_000);
  const text = metrics.text({ ...NOTHING, servers: [server('github')] }, everything);
  const labels = 'route="server",server="github",method="tools/call"';
  expect(text).toContain(`gatehouse_requests_total{${labels},outcome="ok"} 2\n`);
  expect(text).toContain(`gatehouse_requests_total{${labels},outcome="server_timeout"} 1\n`);
  expect(text).toContain(`gatehouse_request_duration_seconds_bucket{${labels},le="0.0025"} 0\n`);
  expect(text).toContain(`gatehouse_request_duration_seconds_bucket{${labels},le="0.005"} 2\n`);
  expect(text).toContain(`gatehouse_request_duration_seconds_bucket{${labels},le="120"} 2\n`);
  expect(text).toContain(`gatehouse_request_duration_seconds_bucket{${labels},le="+Inf"} 3\n`);
  expect(text).toContain(`gatehouse_request_duration_seconds_count{${labels}} 3\n`);
  expect(text).toMatch(/gatehouse_request_duration_seconds_sum\{[^}]*\} 200\.00/);
});

it('the number of series is bounded: unknown methods share one, and servers that are gone are forgotten', () => {
  using metrics = new Metrics('1');
  for (let count = 0; count < 1_000; count++) metrics.request('unified', undefined, `made/up-${count}`, 'ok', 1);
  metrics.request('server', 'gone', 'ping', 'ok', 1);
  metrics.request('server', 'there', 'ping', 'ok', 1);
  const text = metrics.text({ ...NOTHING, servers: [server('there')] }, everything);
  expect(text.match(/^gatehouse_requests_total\{/gm)).toHaveLength(2);
  expect(text).toContain('method="other",outcome="ok"} 1000\n');
  expect(text).not.toContain('gone');
});

it('refusals are counted by their reason, and those for want of rights as denials too', () => {
  using metrics = new Metrics('1');
  metrics.refusal('unauthorized');
  metrics.refusal('not_found');
  metrics.request('server', 'a', 'tools/call', 'tool_not_allowed', 1);
  metrics.request('server', 'a', 'tools/call', 'server_timeout', 1);
  const text = metrics.text({ ...NOTHING, servers: [server('a')] }, everything);
  expect(text.match(/^gatehouse_refused_total.*$/gm)).toEqual([
    'gatehouse_refused_total{reason="unauthorized"} 1',
    'gatehouse_refused_total{reason="not_found"} 1',
  ]);
  expect(text.match(/^gatehouse_denied_total.*$/gm)).toEqual([
    'gatehouse_denied_total{reason="unauthorized"} 1',
    'gatehouse_denied_total{reason="tool_not_allowed"} 1',
  ]);
});

it('servers, reloads and certificates are told as they are at the moment of asking, and labels are escaped', () => {
  using metrics = new Metrics('1');
  const text = metrics.text(
    {
      ...NOTHING,
      servers: [server('one'), { ...server('two'), state: 'tls-error', up: false }],
      reloads: { succeeded: 3, failed: 2, tlsFailures: 1, lastSuccess: 1_700_000_001_000 },
      certificates: [
        {
          subject: 'CN="odd\\name"\nO=x',
          fingerprint: 'AA:BB',
          role: 'client-certificate',
          user: 'server:one',
          notAfter: new Date('2027-01-01T00:00:00Z'),
        },
      ],
    },
    everything,
  );
  expect(text).toContain('gatehouse_servers{state="healthy"} 1\n');
  expect(text).toContain('gatehouse_server_up{server="two"} 0\n');
  expect(text).toContain('gatehouse_server_state{server="two",state="tls-error"} 1\n');
  expect(text).toContain('gatehouse_server_state_since_timestamp_seconds{server="one"} 1700000000.5\n');
  expect(text).toContain('gatehouse_reloads_total{result="succeeded"} 3\n');
  expect(text).toContain('gatehouse_reload_last_success_timestamp_seconds 1700000001\n');
  expect(text).toContain('gatehouse_tls_reload_failures_total 1\n');
  expect(text).toContain(
    'subject="CN=\\"odd\\\\name\\"\\nO=x",fingerprint="AA:BB",role="client-certificate",user="server:one"} 1798761600\n',
  );
});
