/** Every flag of `serve`, and the environment variable that stands in for it: the table that help, checks and the reference are made from. */

export interface Flag {
  /** As commander reads it: short form, long form, name of the value. */
  readonly flags: string;
  /** Key of the value among commander's options. */
  readonly key: string;
  readonly description: string;
  /** The variable that is used when the flag is not given; empty counts as unset. */
  readonly env?: string;
  /** Shown as the default; the defaults themselves belong to the configuration. */
  readonly fallback?: string;
  readonly group: FlagGroup;
  /** What the flag needs and this version does not have. Using it is refused: what protects must never be ignored silently. */
  readonly needs?: string;
}

export type FlagGroup =
  | 'Configuration:'
  | 'Store:'
  | 'Serving:'
  | 'Log:'
  | 'Large results:'
  | 'Not in this version (refused when used):';

const GUARDS = 'guards';
const TRACING = 'tracing';
const UNBUILT: FlagGroup = 'Not in this version (refused when used):';

export const SERVE_FLAGS = [
  {
    flags: '-c, --config <file>',
    key: 'config',
    group: 'Configuration:',
    description: 'TOML file with the configuration (a name that ends in .json is read as JSON)',
  },
  {
    flags: '--config-stdin',
    key: 'configStdin',
    group: 'Configuration:',
    description: 'read the configuration as JSON from stdin; wins over --config',
  },
  {
    flags: '--env <file>',
    key: 'env',
    group: 'Configuration:',
    description:
      'set variables from a file of NAME=VALUE lines first; they win over the environment, and count for every flag below',
  },
  {
    flags: '--watch <on|off>',
    key: 'watch',
    env: 'MCP_GATEWAY_WATCH',
    group: 'Configuration:',
    fallback: 'on',
    description:
      'reload when the content of the configuration file or of a certificate changes; SIGHUP and POST /reload always do',
  },
  {
    flags: '--validate-env',
    key: 'validateEnv',
    group: 'Configuration:',
    description:
      'check first that the container engine answers and that MCP_GATEWAY_PORT, _DOMAIN and _AGENT_ID are set',
  },
  {
    flags: '--data-dir <directory>',
    key: 'dataDir',
    env: 'MCP_GATEWAY_DATA_DIR',
    group: 'Store:',
    fallback: 'the configuration; without any configuration $XDG_DATA_HOME/gatehouse or ~/.local/share/gatehouse',
    description: 'keep registered servers, accounts and the audit log here, and serve the management API',
  },
  {
    flags: '--secret-key-file <file>',
    key: 'secretKeyFile',
    env: 'MCP_GATEWAY_SECRET_KEY_FILE',
    group: 'Store:',
    fallback: 'secret.key in the data directory, made at the first start',
    description:
      'key that secrets in the store are encrypted with; its text can be in MCP_GATEWAY_SECRET_KEY instead. Needed when DATABASE_URL (postgres://…) names the store',
  },
  {
    flags: '--audit-keep-days <days>',
    key: 'auditKeepDays',
    env: 'MCP_GATEWAY_AUDIT_KEEP_DAYS',
    group: 'Store:',
    fallback: 'the configuration, else lines are never removed',
    description: 'remove lines of the audit log that are older; what is left still verifies',
  },
  {
    flags: '--audit-keep-lines <lines>',
    key: 'auditKeepLines',
    env: 'MCP_GATEWAY_AUDIT_KEEP_LINES',
    group: 'Store:',
    fallback: 'the configuration, else lines are never removed',
    description: 'remove the oldest lines of the audit log when there are more',
  },
  {
    flags: '--fast-path <on|off>',
    key: 'fastPath',
    env: 'MCP_GATEWAY_FAST_PATH',
    group: 'Serving:',
    fallback: 'on',
    description:
      'read plain requests and write event streams without node:http; with off every request takes the general, slower way',
  },
  {
    flags: '--workers <n>',
    key: 'workers',
    env: 'MCP_GATEWAY_WORKERS',
    group: 'Serving:',
    fallback: '1',
    description:
      'processes that serve the port together, 1 to 64, or auto for one on each processor; sessions and containers stay with the first. Needs Linux or FreeBSD, and the fast path',
  },
  {
    flags: '-l, --listen <host:port>',
    key: 'listen',
    group: 'Serving:',
    fallback: '127.0.0.1 and the port of the configuration',
    description: 'address to accept connections on; `:PORT` means all interfaces, port 0 any free one',
  },
  {
    flags: '--routed',
    key: 'routed',
    group: 'Serving:',
    fallback: 'mode of the configuration, else both',
    description: 'only one endpoint for each server, /mcp/{server}',
  },
  {
    flags: '--unified',
    key: 'unified',
    group: 'Serving:',
    fallback: 'mode of the configuration, else both',
    description: 'only one endpoint for all servers, /mcp',
  },
  {
    flags: '--startup <strict|resilient>',
    key: 'startup',
    group: 'Serving:',
    fallback: 'strict',
    description: 'strict: a server that does not start ends the gateway; resilient: serve the others and keep trying',
  },
  {
    flags: '--sequential-launch',
    key: 'sequentialLaunch',
    group: 'Serving:',
    description: 'start the servers one after the other instead of all at once',
  },
  {
    flags: '--shutdown-timeout <duration>',
    key: 'shutdownTimeout',
    env: 'MCP_GATEWAY_SHUTDOWN_TIMEOUT',
    group: 'Serving:',
    fallback: '5s',
    description: 'how long requests in flight may go on after SIGTERM or SIGINT',
  },
  {
    flags: '--tls-cert <file>',
    key: 'tlsCert',
    env: 'MCP_GATEWAY_TLS_CERT',
    group: 'Serving:',
    description: 'certificate of the listener, PEM; with --tls-key the gateway speaks HTTPS',
  },
  {
    flags: '--tls-key <file>',
    key: 'tlsKey',
    env: 'MCP_GATEWAY_TLS_KEY',
    group: 'Serving:',
    description: 'key of the certificate, PEM',
  },
  {
    flags: '--tls-ca <file>',
    key: 'tlsCa',
    env: 'MCP_GATEWAY_CA_CERT',
    group: 'Serving:',
    description: 'authority of client certificates, PEM; every client then needs one',
  },
  {
    flags: '--hmac-secret <secret>',
    key: 'hmacSecret',
    env: 'MCP_GATEWAY_HMAC_SECRET',
    group: 'Serving:',
    description: 'requests must be signed with this secret; give it by its variable, arguments can be seen by others',
  },
  {
    flags: '-v, --verbose',
    key: 'verbose',
    group: 'Log:',
    description: 'log more: -v is debug, -vv is trace; --log-level wins',
  },
  {
    flags: '--log-level <level>',
    key: 'logLevel',
    group: 'Log:',
    fallback: 'info',
    description: 'trace, debug, info, warn, error, fatal or silent',
  },
  {
    flags: '--log-format <json|pretty>',
    key: 'logFormat',
    group: 'Log:',
    fallback: 'pretty on a terminal, else json',
    description: 'form of the lines on stderr',
  },
  {
    flags: '--log-dir <directory>',
    key: 'logDir',
    env: 'MCP_GATEWAY_LOG_DIR',
    group: 'Log:',
    fallback: 'none: stderr only, unlike gh-aw-mcpg',
    description: 'also write mcp-gateway.log, one log for each server, and rpc-messages.jsonl',
  },
  {
    flags: '--payload-dir <directory>',
    key: 'payloadDir',
    env: 'MCP_GATEWAY_PAYLOAD_DIR',
    group: 'Large results:',
    fallback: 'none: results stay inline, unlike gh-aw-mcpg',
    description: 'write results above the threshold to files here and answer with their path',
  },
  {
    flags: '--payload-path-prefix <path>',
    key: 'payloadPathPrefix',
    env: 'MCP_GATEWAY_PAYLOAD_PATH_PREFIX',
    group: 'Large results:',
    description: 'what clients see instead of the payload directory in paths',
  },
  {
    flags: '--payload-size-threshold <bytes>',
    key: 'payloadSizeThreshold',
    env: 'MCP_GATEWAY_PAYLOAD_SIZE_THRESHOLD',
    group: 'Large results:',
    fallback: '524288',
    description: 'largest result that stays inline',
  },
  {
    flags: '--guards-mode <mode>',
    key: 'guardsMode',
    env: 'MCP_GATEWAY_GUARDS_MODE',
    group: UNBUILT,
    needs: GUARDS,
    description: 'strict, filter or propagate',
  },
  {
    flags: '--guards-sink-server-ids <ids>',
    key: 'guardsSinkServerIds',
    env: 'MCP_GATEWAY_GUARDS_SINK_SERVER_IDS',
    group: UNBUILT,
    needs: GUARDS,
    description: 'servers whose messages are recorded with labels',
  },
  {
    flags: '--guard-policy-json <json>',
    key: 'guardPolicyJson',
    env: 'MCP_GATEWAY_GUARD_POLICY_JSON',
    group: UNBUILT,
    needs: GUARDS,
    description: 'policy for every server',
  },
  {
    flags: '--allowonly-scope-public',
    key: 'allowonlyScopePublic',
    env: 'MCP_GATEWAY_ALLOWONLY_SCOPE_PUBLIC',
    group: UNBUILT,
    needs: GUARDS,
    description: 'allow public repositories only',
  },
  {
    flags: '--allowonly-scope-owner <owner>',
    key: 'allowonlyScopeOwner',
    env: 'MCP_GATEWAY_ALLOWONLY_SCOPE_OWNER',
    group: UNBUILT,
    needs: GUARDS,
    description: 'allow repositories of one owner only',
  },
  {
    flags: '--allowonly-scope-repo <repo>',
    key: 'allowonlyScopeRepo',
    env: 'MCP_GATEWAY_ALLOWONLY_SCOPE_REPO',
    group: UNBUILT,
    needs: GUARDS,
    description: 'allow one repository only',
  },
  {
    flags: '--allowonly-min-integrity <level>',
    key: 'allowonlyMinIntegrity',
    env: 'MCP_GATEWAY_ALLOWONLY_MIN_INTEGRITY',
    group: UNBUILT,
    needs: GUARDS,
    description: 'least integrity of what is shown',
  },
  {
    flags: '--wasm-cache-dir <directory>',
    key: 'wasmCacheDir',
    env: 'MCP_GATEWAY_WASM_CACHE_DIR',
    group: UNBUILT,
    needs: GUARDS,
    description: 'cache of compiled guards',
  },
  {
    flags: '--otlp-endpoint <url>',
    key: 'otlpEndpoint',
    env: 'OTEL_EXPORTER_OTLP_ENDPOINT',
    group: UNBUILT,
    needs: TRACING,
    description: 'collector of traces',
  },
  {
    flags: '--otlp-service-name <name>',
    key: 'otlpServiceName',
    group: UNBUILT,
    needs: TRACING,
    description: 'name of the gateway in traces',
  },
  {
    flags: '--otlp-sample-rate <rate>',
    key: 'otlpSampleRate',
    group: UNBUILT,
    needs: TRACING,
    description: 'share of requests that are traced',
  },
  {
    flags: '--url-domain-audit',
    key: 'urlDomainAudit',
    env: 'MCP_GATEWAY_URL_DOMAIN_AUDIT',
    group: UNBUILT,
    needs: 'the audit of domains',
    description: 'record the domains of URLs in results',
  },
] as const satisfies readonly Flag[];

export type FlagKey = (typeof SERVE_FLAGS)[number]['key'];

/** `--listen` of `-l, --listen <host:port>`. */
export function longName(flag: Flag): string {
  return /--[a-z-]+/.exec(flag.flags)?.[0] ?? flag.flags;
}

/** True for flags without a value. */
export function isSwitch(flag: Flag): boolean {
  return !flag.flags.includes('<');
}
