import { describe, expect, it } from 'vitest';
import { UsageError } from '../usage-error.ts';
import { type Given, readServeOptions, type ServeOptions } from './flag-values.ts';

type Env = Readonly<Record<string, string>>;

function read(given: Given, env: Env = {}): ServeOptions {
  return readServeOptions({ config: 'c.toml', ...given }, env);
}

function problems(given: Given, env: Env = {}): readonly string[] {
  try {
    readServeOptions(given, env);
    return [];
  } catch (error) {
    if (error instanceof UsageError) return error.problems;
    throw error;
  }
}

describe('values', () => {
  it('says nothing where nothing was given', () => {
    expect(read({})).toEqual({
      source: { from: 'file', path: 'c.toml' },
      watch: true,
      fastPath: true,
      workers: 1,
      validateEnv: false,
      sequentialLaunch: false,
      logLevel: 'info',
    });
  });

  it('takes the flag before its variable, and an empty variable as none', () => {
    const env = {
      MCP_GATEWAY_SHUTDOWN_TIMEOUT: '10s',
      MCP_GATEWAY_LOG_DIR: '',
      MCP_GATEWAY_PAYLOAD_DIR: '/env',
      MCP_GATEWAY_PAYLOAD_SIZE_THRESHOLD: ' 77 ',
    };
    expect(read({ shutdownTimeout: '1m30s', payloadPathPrefix: '/p' }, env)).toMatchObject({
      shutdownTimeoutMs: 90_000,
      payloadDir: '/env',
      payloadPathPrefix: '/p',
      payloadSizeThreshold: 77,
    });
    expect(read({}, env)).toMatchObject({ shutdownTimeoutMs: 10_000 });
    expect(read({}, env).logDir).toBeUndefined();
  });

  it.each([
    ['127.0.0.1:3000', { host: '127.0.0.1', port: 3000 }],
    ['localhost:0', { host: 'localhost', port: 0 }],
    [':8080', { host: '0.0.0.0', port: 8080 }],
    ['[::1]:65535', { host: '::1', port: 65_535 }],
  ])('--listen %s', (listen, expected) => {
    expect(read({ listen }).listen).toEqual(expected);
  });

  it('prefers stdin to a file', () => {
    expect(read({ configStdin: true }).source).toEqual({ from: 'stdin' });
  });

  it.each([
    [{ verbose: 1 }, 'debug'],
    [{ verbose: 2 }, 'trace'],
    [{ verbose: 5 }, 'trace'],
    [{ verbose: 2, logLevel: 'warn' }, 'warn'],
  ])('%j logs at %s', (given, level) => {
    expect(read(given).logLevel).toBe(level);
  });
});

describe('problems', () => {
  it('are all reported at once', () => {
    expect(
      problems({
        routed: true,
        unified: true,
        listen: '3000',
        shutdownTimeout: '5',
        payloadSizeThreshold: '0',
        logLevel: 'loud',
        startup: 'maybe',
      }),
    ).toEqual([
      'if any flags in the group [routed unified] are set none of the others can be; [routed unified] were all set',
      "invalid --listen: '3000' is not an address such as 127.0.0.1:3000, [::1]:3000 or :3000",
      "invalid --startup: 'maybe' is not one of strict, resilient",
      "invalid --shutdown-timeout: '5' is not a duration such as 5s or 1m30s, at most 596h",
      "invalid --log-level: 'loud' is not one of trace, debug, info, warn, error, fatal, silent",
      "invalid --payload-size-threshold: '0' is not a positive number of bytes",
    ]);
  });

  it.each(['127.0.0.1:65536', '::1:3000', 'a b:1', '[nonsense]:1', 'host:', 'http://host:1'])(
    '--listen %s',
    (listen) => {
      expect(problems({ config: 'c', listen })).toHaveLength(1);
    },
  );

  it('name the variable that a bad value came from', () => {
    expect(problems({ config: 'c' }, { MCP_GATEWAY_SHUTDOWN_TIMEOUT: 'soon' })).toEqual([
      "invalid MCP_GATEWAY_SHUTDOWN_TIMEOUT (environment variable of --shutdown-timeout): 'soon' is not a duration such as 5s or 1m30s, at most 596h",
    ]);
  });

  it('refuse a wrong guards mode by its own message, from flag and variable', () => {
    expect(problems({ config: 'c', guardsMode: 'lax' })).toEqual([
      'invalid --guards-mode: unknown enforcement mode: lax (valid modes: strict, filter, propagate)',
    ]);
    expect(problems({ config: 'c' }, { MCP_GATEWAY_GUARDS_MODE: 'lax' })[0]).toContain('unknown enforcement mode: lax');
    expect(problems({ config: 'c', guardsMode: 'FILTER' })[0]).toContain('needs guards');
  });

  it('never show a secret', () => {
    expect(
      problems({ config: 'c', hmacSecret: 's3cr3t' }, { MCP_GATEWAY_GUARD_POLICY_JSON: 's3cr3t' }).join(),
    ).not.toContain('s3cr3t');
  });

  it('accept a switch whose variable says no, refuse one that says yes or neither', () => {
    const audit = (value: string): readonly string[] =>
      problems({ config: 'c' }, { MCP_GATEWAY_URL_DOMAIN_AUDIT: value });
    for (const no of ['0', 'false', 'No', 'off', '']) expect(audit(no)).toEqual([]);
    for (const yes of ['1', 'TRUE', 'yes', 'on']) expect(audit(yes)[0]).toContain('needs the audit of domains');
    expect(audit('maybe')[0]).toContain('neither true nor false');
  });
});
