/** Whole server entries, in both dialects, and what becomes of each. The entry is called `x`. Used by more than one test. */
import type { ContainerSpec } from '../../src/config/config.ts';
import { spell } from '../../src/config/dialect.ts';
import { GRANTABLE_CAPABILITIES } from '../../src/config/schema/server.ts';
import { IMAGE } from './container-arguments.corpus.ts';

type Fields = Readonly<Record<string, unknown>>;

export interface AcceptedEntry {
  readonly what: string;
  /** In the words of JSON. */
  readonly fields: Fields;
  /** What the container then says; all else is as by default. */
  readonly spec: Partial<ContainerSpec>;
}

export interface RefusedEntry {
  readonly why: string;
  readonly dialects: readonly ('toml' | 'json')[];
  /** In the words of JSON. */
  readonly fields: Fields;
  /** Part of one of the messages. */
  readonly says: string;
}

const MIB = 1024 * 1024;
const USUAL = { memory: 512 * MIB, cpus: 1, pids: 256, openFiles: 4096 };

function accepted(what: string, fields: Fields, spec: Partial<ContainerSpec> = {}): AcceptedEntry {
  return { what, fields: { container: IMAGE, ...fields }, spec };
}

const mount = (text: string, source: string, target: string, mode: 'ro' | 'rw'): AcceptedEntry =>
  accepted(`mounts ${text}`, { mounts: [text] }, { mounts: [{ source: `/srv/gatehouse/${source}`, target, mode }] });

export const ACCEPTED_ENTRIES: readonly AcceptedEntry[] = [
  accepted('the least', {}),
  ...['stdio', 'local', 'STDIO', 'Local', ' stdio ', '\tLOCAL\n'].map((type) =>
    accepted(`type ${JSON.stringify(type)}`, { type }),
  ),
  ...['mcp/time:1', 'localhost:5000/a/b', 'ghcr.io/a/b-c_d.e:V1.2', `mcp/time:1@sha256:${'ab'.repeat(32)}`].map(
    (image) => accepted(`container ${image}`, { container: image }, { image }),
  ),
  accepted('env', { env: { A: 'b', C: '' } }, { env: { A: 'b' } }),
  accepted('env of the gateway', { env: { FROM_GATEWAY: '' } }, { env: { FROM_GATEWAY: 'g' } }),
  accepted('env by an expression', { env: { A: '<${FROM_GATEWAY}>' } }, { env: { A: '<g>' } }),
  accepted(
    'env that the engine would read',
    { env: { DOCKER_HOST: 'tcp://x', PATH: '/bin', LD_PRELOAD: '' } },
    { env: { DOCKER_HOST: 'tcp://x', PATH: '/bin' } },
  ),
  mount('/srv/gatehouse/ro/a:/a:ro', 'ro/a', '/a', 'ro'),
  mount('/srv/gatehouse/rw/a:/a:ro', 'rw/a', '/a', 'ro'),
  mount('/srv/gatehouse/rw/a:/a:rw', 'rw/a', '/a', 'rw'),
  mount('/srv/gatehouse/rw/./b/:/b/../c:rw', 'rw/b', '/c', 'rw'),
  accepted('network isolated', { network: 'isolated' }),
  accepted('network none', { network: 'none' }, { network: 'none' }),
  ...(['1000', '1000:1000', '65534:65534'] as const).map((user) => accepted(`user ${user}`, { user }, { user })),
  accepted('user 0, in plain sight', { user: '0' }, { user: '0' }),
  accepted('readOnly', { readOnly: true }, { readOnly: true }),
  accepted('not readOnly', { readOnly: false }),
  accepted('workdir', { workdir: '/tmp' }, { workdir: '/tmp' }),
  ...GRANTABLE_CAPABILITIES.map((name) =>
    accepted(`capability ${name}`, { capabilities: [name] }, { capabilities: [name] }),
  ),
  ...(['64m', '65536k', '64M', '0.0625g', '67108864b'] as const).map((memory) =>
    accepted(`memory ${memory}`, { resources: { memory } }, { resources: { ...USUAL, memory: 64 * MIB } }),
  ),
  accepted('cpus', { resources: { cpus: 0.25 } }, { resources: { ...USUAL, cpus: 0.25 } }),
  accepted('pids', { resources: { pids: 32 } }, { resources: { ...USUAL, pids: 32 } }),
  accepted('openFiles', { resources: { openFiles: 64 } }, { resources: { ...USUAL, openFiles: 64 } }),
  accepted(
    'options beside the image',
    { args: ['--rm', '-ie', 'A=b', '--network=none', '-m64m', '-u', '1000'] },
    { env: { A: 'b' }, network: 'none', user: '1000', resources: { ...USUAL, memory: 64 * MIB } },
  ),
  accepted(
    'words behind the image that would be options before it',
    { entrypointArgs: ['--privileged', '-v', '/:/x'] },
    { args: ['--privileged', '-v', '/:/x'] },
  ),
  accepted('an entry point', { entrypoint: '/bin/sh' }, { entrypoint: '/bin/sh' }),
];

const BOTH = ['toml', 'json'] as const;

function refused(why: string, says: string, fields: Fields, dialects: RefusedEntry['dialects'] = BOTH): RefusedEntry {
  return { why, dialects, fields, says };
}

/** What must never reach a launch by the spelling of its type. */
const TYPES: readonly unknown[] = [
  ...['HTTP', 'http', ' Http '],
  ...[
    '',
    ' ',
    'stdi0',
    'std io',
    'stdio\u00a0',
    'stdio\u200b',
    '\ufeffstdio',
    'ѕtdio',
    'ｓｔｄｉｏ',
    'stdıo',
    'stdio\u0000',
  ],
  ...['streamable-http', 'sse', 'process', 'exec', 'custom', 'null', '__proto__', 'constructor', 'toString'],
  ...[1, 0, true, false, [], ['stdio'], {}, { type: 'stdio' }],
];

const HOST_COMMANDS = [
  ...['node', 'npx', 'uvx', 'python3', 'sh', '/bin/sh', 'env', 'sudo', '', ' docker', 'docker ', 'Docker', 'DOCKER'],
  ...[
    './docker',
    '/tmp/docker',
    '/usr/bin/docker',
    'podman',
    'nerdctl',
    'docker\u200b',
    'dосker',
    'docker run',
    'docker.exe',
  ],
];
const RUN = ['run', '--rm', '-i', IMAGE];

export const REFUSED_ENTRIES: readonly RefusedEntry[] = [
  ...TYPES.map((type) =>
    refused(`a command of type ${JSON.stringify(type)}`, '', { type, command: 'node', args: ['server.js'] }),
  ),
  refused('a command whose type is null', '', { type: null, command: 'node' }, ['json']),
  ...HOST_COMMANDS.map((command) => refused(`the command ${JSON.stringify(command)}`, '', { command, args: RUN })),
  ...[1, true, ['docker'], { docker: true }].map((command) =>
    refused(`the command ${JSON.stringify(command)}`, 'command', { command, args: RUN }),
  ),
  refused('a command in JSON, even of the engine', "'container'", { command: 'docker', args: RUN }, ['json']),
  refused('a command beside a url', '', { url: 'https://x.example/mcp', command: 'node' }),
  refused('a command beside an image', '', { container: IMAGE, command: 'node' }),
  ...['privileged', 'devices', 'ports', 'pid', 'ipc', 'securityOpt', 'capAdd', 'runtime', 'volumes', 'dns'].map(
    (field) => refused(`a field that would open it: ${field}`, field, { container: IMAGE, [field]: ['x'] }, ['json']),
  ),
  ...['SYS_ADMIN', 'ALL', 'NET_ADMIN', 'SYS_PTRACE', 'SYS_MODULE', 'BPF', 'net_raw', 'CAP_CHOWN', ''].map((name) =>
    refused(`capability ${name}`, 'capabilities', { container: IMAGE, capabilities: [name] }),
  ),
  ...['host', 'bridge', 'container:x', 'None', 'NONE', ' none', '', 'default', 'pasta', 'slirp4netns'].map((network) =>
    refused(`network ${JSON.stringify(network)}`, 'network', { container: IMAGE, network }),
  ),
  ...[{ allow: [] }, { allow: ['*'] }, { allow: [''] }, { allow: ['http://x'] }, { deny: ['x'] }, ['none'], 0].map(
    (network) => refused(`network ${JSON.stringify(network)}`, 'network', { container: IMAGE, network }),
  ),
  ...[{ memory: '1m' }, { memory: '-1' }, { memory: '0' }, { memory: 64 }, { memory: '1t' }].map((resources) =>
    refused(`resources ${JSON.stringify(resources)}`, 'memory', { container: IMAGE, resources }),
  ),
  ...[{ pids: 0 }, { pids: -1 }, { pids: '64' }, { pids: 1.5 }].map((resources) =>
    refused(`resources ${JSON.stringify(resources)}`, 'pids', { container: IMAGE, resources }),
  ),
  ...[{ cpus: 0 }, { cpus: -1 }, { cpus: '1' }].map((resources) =>
    refused(`resources ${JSON.stringify(resources)}`, 'cpus', { container: IMAGE, resources }),
  ),
  ...[
    '/:/x:ro',
    '/etc:/x:ro',
    '/var/run/docker.sock:/x:rw',
    '/proc:/x:ro',
    'name:/x:ro',
    '~/a:/x:ro',
    '/srv/gatehouse/rw/a:/x',
  ].map((text) => refused(`mounts ${text}`, 'mount', { container: IMAGE, mounts: [text] })),
  refused('a user that is an option', 'user', { container: IMAGE, user: '--privileged' }),
  refused('readOnly in words', 'must be true or false', { container: IMAGE, readOnly: 'no' }),
  refused('an image that is an option', 'is not an image reference', { container: '--privileged' }),
  refused('no image', "'container' is required", { type: 'stdio' }),
];

/** An entry as the text of a whole configuration; TOML inline, so that any value can stand in it. */
export function configurationOf(dialect: 'toml' | 'json', fields: Fields): string {
  if (dialect === 'json')
    return JSON.stringify({ mcpServers: { x: fields }, gateway: { port: 8080, domain: 'localhost', agentId: 'x' } });
  return `servers = { x = ${toml(fields)} }\n\n[gateway]\nagent_id = "x"\n`;
}

function toml(value: unknown, spelled = true): string {
  if (Array.isArray(value)) return `[${value.map((one) => toml(one, false)).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    // Names of variables are no fields and stay as they are.
    const entries = Object.entries(value).map(
      ([name, one]) => `${JSON.stringify(spelled ? spell(name, 'toml') : name)} = ${toml(one, name !== 'env')}`,
    );
    return `{ ${entries.join(', ')} }`;
  }
  return JSON.stringify(value);
}
