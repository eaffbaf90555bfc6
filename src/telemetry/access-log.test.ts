import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { AccessLog, type AccessEntry } from './access-log.ts';
import { createRedactor } from './redaction.ts';

const ENTRY: AccessEntry = {
  requestId: '0123456789abcdef',
  principal: 'agent-1',
  method: 'tools/call',
  server: 'github',
  target: 'get_issue',
  outcome: 'ok',
  ms: 1.25,
};

function record(...entries: readonly AccessEntry[]): Record<string, unknown>[] {
  const lines: string[] = [];
  const redactor = createRedactor();
  redactor.addSecrets(['hunter22222']);
  const log = new AccessLog({ enabled: () => true, write: (line) => lines.push(line), redactor });
  for (const entry of entries) log.record(entry);
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

test('a line has the form of every other line of the log', () => {
  const before = Date.now();
  const [line] = record(ENTRY);
  const { time, ...rest } = line ?? {};
  expect(rest).toEqual({ level: 'info', ...ENTRY, ms: 1.3, msg: 'request' });
  expect(new Date(String(time)).toISOString()).toBe(time);
  expect(Date.parse(String(time))).toBeGreaterThanOrEqual(before);
});

test('what is missing is left out, also after a request that had it', () => {
  const [, line] = record(ENTRY, { ...ENTRY, server: undefined, target: undefined, method: undefined });
  expect(Object.keys(line ?? {})).toEqual(['level', 'time', 'requestId', 'principal', 'outcome', 'ms', 'msg']);
});

test('names that clients choose can neither break a line, nor show a secret, nor pass for others', () => {
  const lines = record(
    { ...ENTRY, target: 'a"},\n{"b":"hunter22222' },
    { ...ENTRY, server: 'x\ny', target: 'z' },
    { ...ENTRY, server: 'x', target: 'y\nz' },
    { ...ENTRY, server: undefined },
    { ...ENTRY, server: '\r' },
  );
  expect(lines.map(({ server, target }) => [server, target])).toEqual([
    ['github', 'a"},\n{"b":"[redacted]'],
    ['x\ny', 'z'],
    ['x', 'y\nz'],
    [undefined, 'get_issue'],
    ['\r', 'get_issue'],
  ]);
});

test('long names that clients choose are not kept', () => {
  const log = new AccessLog({ enabled: () => true, write: () => undefined, redactor: createRedactor() });
  const size = 16 * 1024 * 1024;
  const before = used();
  for (let index = 0; index < 8; index++)
    log.record({ ...ENTRY, method: Buffer.alloc(size, String(index)).toString('latin1') });
  // All of them would be 128 MiB, without what is made of them.
  expect(used() - before).toBeLessThan(4 * size);
});

test('nothing is made while it is not wanted', () => {
  const log = new AccessLog({
    enabled: () => false,
    write: () => expect.unreachable(),
    redactor: createRedactor(),
  });
  log.record(ENTRY);
});

/** Bytes that are still there after everything else was collected. */
function used(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
