import { mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { serverLogName } from './log-directory.ts';
import { createTelemetry, type Telemetry, type TelemetryOptions } from './log.ts';

const SECRET = 'agent-id-0123456789';
let directory: string;
let opened: Telemetry[];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'telemetry-'));
  opened = [];
});
afterEach(async () => {
  await Promise.all(opened.map((telemetry) => telemetry[Symbol.asyncDispose]()));
  rmSync(directory, { recursive: true });
});

function open(options: TelemetryOptions = {}): Telemetry {
  const telemetry = createTelemetry({ destination: openSync(join(directory, 'stderr'), 'a'), ...options });
  opened.push(telemetry);
  return telemetry;
}

function text(name: string): string {
  return readFileSync(join(directory, name), 'utf8');
}

function lines(name: string): Record<string, unknown>[] {
  return text(name)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

it('writes JSON lines with level, time and message to stderr and to the file', async () => {
  const telemetry = open({ directory });
  telemetry.log.info({ port: 3000 }, 'Starting MCPG in ROUTED mode on 127.0.0.1:3000');
  await telemetry[Symbol.asyncDispose]();
  expect(lines('stderr')).toEqual([
    {
      level: 'info',
      time: expect.stringMatching(/^\d{4}-.*Z$/),
      port: 3000,
      msg: 'Starting MCPG in ROUTED mode on 127.0.0.1:3000',
    },
  ]);
  expect(text('mcp-gateway.log')).toBe(text('stderr'));
});

it('creates no file without a log directory', async () => {
  const telemetry = open();
  telemetry.serverLog('github').info('up');
  telemetry.recordMessage('OUT', 'github', '{}');
  await telemetry[Symbol.asyncDispose]();
  expect(readdirSync(directory)).toEqual(['stderr']);
});

it('writes for people when asked, without control characters of others', async () => {
  const telemetry = open({ pretty: true });
  telemetry.log.warn({ server: 'github' }, 'evil \u001b[2Jtext\u009b0m');
  await telemetry[Symbol.asyncDispose]();
  expect(text('stderr')).toContain('WARN: evil \ufffd[2Jtext\ufffd0m {"server":"github"}');
});

it('redacts messages, fields, errors, and the fields of children and their children', async () => {
  const telemetry = open({ directory });
  telemetry.addSecrets([SECRET]);
  telemetry.log.info(`a ${SECRET}`);
  telemetry.log.info('b %s', SECRET);
  telemetry.log.info({ deep: [{ value: SECRET, password: 'xyz' }] }, 'c');
  telemetry.log.error(new Error(`d ${SECRET}`));
  telemetry.log.error({ err: new Error('outer', { cause: new Error(SECRET) }) });
  telemetry.log.child({ one: SECRET, token: 'xyz' }).child({ two: SECRET }).info('f');
  telemetry.serverLog('github').child({ three: SECRET }).info('g');
  await telemetry[Symbol.asyncDispose]();
  expect(lines('stderr')).toHaveLength(7);
  for (const name of ['stderr', 'mcp-gateway.log', 'github.log']) {
    expect(text(name)).not.toContain(SECRET);
    expect(text(name)).not.toContain('xyz');
    expect(text(name)).toContain('[redacted]');
  }
});

it('logs an error with its code and causes', async () => {
  const telemetry = open();
  telemetry.log.error(
    { err: Object.assign(new Error('outer', { cause: new Error('inner') }), { code: 'ECONNRESET' }) },
    'failed',
  );
  await telemetry[Symbol.asyncDispose]();
  expect(lines('stderr')).toMatchObject([
    { msg: 'failed', err: { message: 'outer', code: 'ECONNRESET', cause: { message: 'inner' } } },
  ]);
});

it('sends the lines of a server also to a file of its own', async () => {
  const telemetry = open({ directory });
  telemetry.log.info('gateway');
  telemetry.serverLog('github').info({ stream: 'stderr' }, 'hello');
  expect(telemetry.serverLog('github')).toBe(telemetry.serverLog('github'));
  await telemetry[Symbol.asyncDispose]();
  expect(lines('github.log')).toMatchObject([{ server: 'github', stream: 'stderr', msg: 'hello' }]);
  expect(lines('mcp-gateway.log')).toMatchObject([{ msg: 'gateway' }, { server: 'github', msg: 'hello' }]);
});

it('names the files of servers so that none leaves the directory or meets another', () => {
  const names = ['github.com', '../x', '..', '.', '/etc/x', 'a b', 'a_b', 'mcp-gateway', '', 'x'.repeat(300)].map(
    serverLogName,
  );
  expect(names[0]).toBe('github.com.log');
  expect(new Set(names).size).toBe(names.length);
  for (const name of names) expect(name).toMatch(/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,120}\.log$/);
});

it('changes levels while it runs, for children that exist already too', async () => {
  const telemetry = open();
  const child = telemetry.log.child({ child: 1 });
  const server = telemetry.serverLog('github').child({ child: 2 });
  child.debug('no');
  telemetry.setLevel('debug');
  child.debug('one');
  server.debug('two');
  telemetry.setLevel('error', 'github');
  server.warn('no');
  child.debug('three');
  await telemetry[Symbol.asyncDispose]();
  expect(lines('stderr').map((line) => line['msg'])).toEqual(['one', 'two', 'three']);
  expect(() => telemetry.setLevel('loud')).toThrow("unknown log level 'loud'");
  expect(() => telemetry.setLevel('info', 'nobody')).toThrow("there is no log of a server 'nobody'");
  expect(() => createTelemetry({ level: 'loud' })).toThrow("unknown log level 'loud'");
});

it('records messages as JSON lines whatever they contain', async () => {
  const telemetry = open({ directory });
  telemetry.addSecrets([SECRET, '12345678']);
  telemetry.recordMessage(
    'OUT',
    'github',
    `{"jsonrpc":"2.0","id":12345678,"method":"tools/call","params":{"_meta":{"progressToken":7},"arguments":{"q":"a\\n${SECRET}","token":"xyz"}}}`,
  );
  telemetry.recordMessage('IN', 'github', `{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"bad ${SECRET}"}}`);
  telemetry.recordMessage('IN', 'github', `{"cut off ${SECRET}`);
  telemetry.recordMessage(
    'OUT',
    'github',
    `{"jsonrpc":"2.0","id":1,"method":"x","params":"${'x'.repeat(1024 * 1024)}"}`,
  );
  telemetry.recordMessage('IN', 'github', `${'['.repeat(2_000)}${']'.repeat(2_000)}`);
  const pieces = ['{"jsonrpc":"2.0","id":1,', '"method":"é","params":{}}'].map((piece) => Buffer.from(piece));
  telemetry.recordMessage('OUT', 'github', pieces);
  telemetry.recordMessage('OUT', 'github', [...pieces, Buffer.alloc(1024 * 1024)]);
  await telemetry[Symbol.asyncDispose]();
  const [request, response, broken, large, deep, asPieces, inPieces] = lines('rpc-messages.jsonl');
  expect(request).toEqual({
    timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    event: 'rpc_request',
    _schema: 'rpc-message/v2',
    direction: 'OUT',
    server_id: 'github',
    method: 'tools/call',
    payload: {
      jsonrpc: '2.0',
      id: 12345678,
      method: 'tools/call',
      params: { _meta: { progressToken: 7 }, arguments: { q: 'a\n[redacted]', token: '[redacted]' } },
    },
  });
  expect(response).toMatchObject({
    event: 'rpc_response',
    direction: 'IN',
    error: 'bad [redacted]',
    payload: { id: 1 },
  });
  expect(broken).toMatchObject({ event: 'rpc_response', payload: { _omitted: 'not JSON' } });
  expect(large).toMatchObject({ event: 'rpc_request', payload: { _omitted: 'too large' } });
  expect(JSON.stringify(deep)).toContain('[too deep]');
  expect(asPieces).toMatchObject({ event: 'rpc_request', method: 'é', payload: { id: 1 } });
  expect(inPieces).toMatchObject({
    event: 'rpc_request',
    payload: { _omitted: 'too large', _length: 1024 * 1024 + 50 },
  });
  expect(text('rpc-messages.jsonl')).not.toContain(SECRET);
});

it('writes everything out when told to, before it returns', () => {
  const telemetry = open({ directory });
  telemetry.log.info('last words');
  telemetry.recordMessage('IN', 'github', '{"jsonrpc":"2.0","id":1,"result":{}}');
  telemetry.flushSync();
  expect(lines('stderr')).toHaveLength(1);
  expect(lines('mcp-gateway.log')).toHaveLength(1);
  expect(lines('rpc-messages.jsonl')).toHaveLength(1);
});

it('refuses a log directory that cannot be written, and takes lines after its end without harm', async () => {
  writeFileSync(join(directory, 'file'), '');
  expect(() => createTelemetry({ directory: join(directory, 'file', 'logs') })).toThrow(/ENOTDIR|EEXIST/);
  const telemetry = open();
  await telemetry[Symbol.asyncDispose]();
  telemetry.log.info('too late');
  expect(text('stderr')).toBe('');
});
