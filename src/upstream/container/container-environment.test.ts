import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { containerEnvironment, isSteering } from './container-environment.ts';

const DEFAULTS = { NO_COLOR: '1', TERM: 'dumb', PYTHONUNBUFFERED: '1' };

describe('containerEnvironment', () => {
  it('hands ordinary variables on by the environment of the command, newlines and all', () => {
    const { inherited, file } = containerEnvironment('s', { GITHUB_TOKEN: 'ghp_1', KEY: 'line 1\nline 2', EMPTY: '' });
    expect({ ...inherited }).toEqual({ ...DEFAULTS, GITHUB_TOKEN: 'ghp_1', KEY: 'line 1\nline 2', EMPTY: '' });
    expect(file).toBeUndefined();
  });

  it('lets the server have its own values of the defaults', () => {
    expect(containerEnvironment('s', { TERM: 'xterm', NO_COLOR: '' }).inherited).toMatchObject({
      TERM: 'xterm',
      NO_COLOR: '',
    });
  });

  const steering = [
    'DOCKER_HOST DOCKER_CONTEXT DOCKER_CONFIG docker_host BUILDKIT_HOST CONTAINER_HOST CONTAINERS_CONF _CONTAINERS_USERNS_CONFIGURED',
    'PATH HOME TMPDIR XDG_RUNTIME_DIR XDG_CONFIG_HOME LD_PRELOAD LD_LIBRARY_PATH DYLD_INSERT_LIBRARIES GLIBC_TUNABLES GCONV_PATH',
    'HTTP_PROXY https_proxy NO_PROXY ALL_PROXY SSL_CERT_FILE SSLKEYLOGFILE SSH_AUTH_SOCK DBUS_SESSION_BUS_ADDRESS NOTIFY_SOCKET',
    'LISTEN_FDS GODEBUG GOTRACEBACK GOMAXPROCS BASH_ENV ENV IFS NODE_OPTIONS PYTHONPATH PERL5LIB OTEL_EXPORTER_OTLP_ENDPOINT STORAGE_DRIVER',
  ].flatMap((names) => names.split(' '));

  it.each(steering)('keeps %s away from the command of the engine', (name) => {
    const { inherited, file } = containerEnvironment('s', { [name]: 'a value' });
    expect(Object.keys(inherited)).not.toContain(name);
    expect(file).toBe(`${name}=a value\n`);
  });

  it.each([
    'GITHUB_TOKEN',
    'GOOGLE_API_KEY',
    'PYTHONUNBUFFERED',
    'API_URL',
    'DATABASE_URL',
    'PATHS',
    'HOMEPAGE',
    'NO_COLOR',
  ])('does not take %s for one that the engine reads', (name) => {
    expect(isSteering(name)).toBe(false);
  });

  it('carries every variable by exactly one way', () => {
    const name = fc.oneof(
      fc.constantFrom(...steering, '__proto__', 'constructor'),
      fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_.-]{0,12}$/),
    );
    const value = fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll(/[\r\n\0]/g, ''));
    fc.assert(
      fc.property(fc.dictionary(name, value, { noNullPrototype: true }), (env) => {
        const { inherited, file } = containerEnvironment('s', env);
        const lines = (file ?? '').split('\n').slice(0, -1);
        const fromFile = lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]);
        const all = [...Object.entries(inherited), ...fromFile];
        expect(new Set(all.map(([variable]) => variable)).size).toBe(all.length);
        expect(Object.fromEntries(all)).toEqual(Object.fromEntries(Object.entries({ ...DEFAULTS, ...env })));
      }),
    );
  });

  it.each([
    ['a name with a pattern of podman', { 'AWS_*': 'secret-value' }],
    ['a name with an equals sign', { 'A=B': 'secret-value' }],
    ['a name with a newline', { 'A\nB': 'secret-value' }],
    ['an empty name', { '': 'secret-value' }],
    ['NUL in a value', { A: 'secret-value\0' }],
    ['a newline in a variable that the engine reads', { PATH: 'secret-value\nDOCKER_HOST=tcp://x' }],
    ['a carriage return in a variable that the engine reads', { PATH: 'secret-value\r' }],
    ['a long variable that the engine reads', { PATH: 'secret-value'.repeat(6000) }],
    ['a variable that no process can be given', { A: 'secret-value'.repeat(12_000) }],
  ])('refuses %s without repeating the value', (_, env) => {
    const attempt = (): unknown => containerEnvironment('github', env);
    expect(attempt).toThrow(/^Server "github" cannot be started: the variable /);
    expect(attempt).not.toThrow(/secret-value/);
  });
});
