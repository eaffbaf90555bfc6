/** Every metric of the gateway: name, labels, meaning. docs/reference/metrics.md is generated from it. */

export interface MetricRow {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labels: readonly string[];
  readonly help: string;
}

export const METRICS = {
  gatehouse_build_info: row('gauge', ['version'], 'Always 1; the label says which version runs.'),
  gatehouse_requests_total: row(
    'counter',
    ['route', 'server', 'method', 'outcome'],
    'Messages of clients. `route` is the kind of endpoint, `server` is empty for what the gateway answered by itself or asked several servers for, `method` is `other` for what the protocol does not know, `outcome` is `ok` or the code of an error.',
  ),
  gatehouse_request_duration_seconds: row(
    'histogram',
    ['route', 'server', 'method'],
    'How long they took, from accept to answer.',
  ),
  gatehouse_requests_in_flight: row('gauge', [], 'Requests that are being worked on.'),
  gatehouse_refused_total: row(
    'counter',
    ['reason'],
    'HTTP requests and WebSockets that were refused before any message was read, and what the management API refused; the reason is the code of the error.',
  ),
  gatehouse_denied_total: row(
    'counter',
    ['reason'],
    'Callers who were not let in, and calls that were not allowed: every refusal with HTTP status 401 or 403.',
  ),
  gatehouse_sessions: row('gauge', [], 'Sessions of clients.'),
  gatehouse_websockets: row('gauge', [], 'Open WebSockets of clients.'),
  gatehouse_servers: row('gauge', ['state'], 'MCP servers by the state of their health.'),
  gatehouse_server_up: row('gauge', ['server'], '1 while the MCP server is healthy or degraded, else 0.'),
  gatehouse_server_state: row(
    'gauge',
    ['server', 'state'],
    '1 for the state that the MCP server is in; the other states have no series.',
  ),
  gatehouse_server_state_since_timestamp_seconds: row(
    'gauge',
    ['server'],
    'When that state began, in seconds since the epoch.',
  ),
  gatehouse_server_conversations: row('gauge', ['server'], 'Open conversations with the MCP server.'),
  gatehouse_reloads_total: row(
    'counter',
    ['result'],
    'Reloads of configuration and certificates; `result` is `succeeded` or `failed`.',
  ),
  gatehouse_reload_last_success_timestamp_seconds: row(
    'gauge',
    [],
    'When a reload last succeeded, in seconds since the epoch; 0 while there was none.',
  ),
  gatehouse_tls_reload_failures_total: row(
    'counter',
    [],
    'Reloads that failed because of certificates, keys or revocation lists; the old ones serve on.',
  ),
  gatehouse_store_up: row('gauge', ['engine'], '1 while the store answers, else 0. No series without a store.'),
  gatehouse_store_writable: row(
    'gauge',
    ['engine'],
    '1 while the store takes changes, 0 when the last one failed: away, full disk, read-only.',
  ),
  gatehouse_store_last_answer_timestamp_seconds: row(
    'gauge',
    ['engine'],
    'When the store last answered, in seconds since the epoch; it is asked every 1 s (SQLite) or 5 s (PostgreSQL).',
  ),
  gatehouse_store_errors_total: row(
    'counter',
    ['code'],
    'What the store refused or could not do: `conflict`, `missing`, `stale`, `full` or `unavailable`.',
  ),
  gatehouse_store_size_bytes: row(
    'gauge',
    ['part'],
    'Size of the store, looked at every 30 s. `part` is `database` or, with SQLite, `log` (the write-ahead log).',
  ),
  gatehouse_store_connections: row(
    'gauge',
    ['state'],
    'Connections to PostgreSQL: `open`, of which `idle`; `waiting` are statements that have none; `listening` is 1 while changes of other gateways are heard at once.',
  ),
  gatehouse_store_change_duration_seconds: row(
    'histogram',
    [],
    'How long changes took from being asked for to being durable, or failed; denials that share a transaction are one.',
  ),
  gatehouse_store_changes_waiting: row('gauge', [], 'Changes that are asked for and have not ended.'),
  gatehouse_audit_lines: row('gauge', [], 'Lines of the audit log, looked at every 30 s.'),
  gatehouse_audit_denials_waiting: row('gauge', [], 'Denials on their way into the audit log.'),
  gatehouse_audit_denials_lost_total: row(
    'counter',
    [],
    'Denials that could not be written into the audit log; they are in the log of the gateway only.',
  ),
  gatehouse_certificate_expiry_timestamp_seconds: row(
    'gauge',
    ['subject', 'fingerprint', 'role', 'user'],
    'When a certificate, authority or revocation list ends, in seconds since the epoch. `role` is `listener-certificate`, `sni-certificate`, `client-certificate`, `authority` or `revocation-list`; `user` is `listener` or `server:NAME`; `fingerprint` is SHA-256, and empty for lists.',
  ),
  gatehouse_workers: row(
    'gauge',
    [],
    'Processes that serve the port beside the first one. All other metrics are those of all processes together.',
  ),
  gatehouse_worker_exits_total: row(
    'counter',
    [],
    'Ends of such processes that nobody had asked for; each is started anew.',
  ),
  process_cpu_seconds_total: row('counter', [], 'Processor time of the gateway, in seconds.'),
  process_resident_memory_bytes: row('gauge', [], 'Resident memory of the gateway.'),
  process_start_time_seconds: row('gauge', [], 'When the first process began, in seconds since the epoch.'),
  nodejs_heap_size_used_bytes: row('gauge', [], 'Memory in use for JavaScript objects.'),
  nodejs_external_memory_bytes: row('gauge', [], 'Memory of buffers and of what Node itself allocates.'),
  nodejs_eventloop_utilization: row(
    'gauge',
    [],
    'Share of the time since the last look at the metrics in which the event loop was busy, 0 to 1; of several processes that of the busiest one.',
  ),
  nodejs_eventloop_lag_p99_seconds: row(
    'gauge',
    [],
    'How late the event loop was for 99 of 100 timers since the last look at the metrics, with a resolution of 20 ms; of several processes that of the latest one.',
  ),
} as const satisfies Readonly<Record<`${'gatehouse' | 'process' | 'nodejs'}_${string}`, MetricRow>>;

export type MetricName = keyof typeof METRICS;

function row(type: MetricRow['type'], labels: readonly string[], help: string): MetricRow {
  return { type, labels, help };
}

/** The Markdown text of docs/reference/metrics.md. */
export function metricsReference(): string {
  const rows = Object.entries<MetricRow>(METRICS).map(([name, { type, labels, help }]) => {
    const names = labels.map((label) => `\`${label}\``).join(', ');
    return `| \`${name}\` | ${type} | ${names} | ${help} |`;
  });
  return `# Metrics

Made from \`src/telemetry/metric-table.ts\` by \`npm run generate\`. \`GET /metrics\` answers in the text format of
Prometheus; it needs credentials like every endpoint but \`/health\` and \`/ready\`.

| metric | type | labels | meaning |
| --- | --- | --- | --- |
${rows.join('\n')}
`;
}
