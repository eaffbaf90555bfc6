import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { isObject, parseMessage, responseText } from '../mcp/message.ts';
import type { GuardAnswer, GuardContext } from './guard.ts';
import { DEAD_AFTER_MS, HEARTBEAT_MS } from './payload-runs.ts';
import { createPayloadStorage, type PayloadStorage, type PayloadStorageOptions } from './payload-storage.ts';

const run = promisify(execFile);
const SESSION = 'a-session-id-that-is-a-credential';

let home: string;
let directory: string;
let warnings: { readonly fields: object; readonly message: string }[];
let open: PayloadStorage[];
let children: ChildProcess[];

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'payload-storage-'));
  directory = join(home, 'payloads');
  warnings = [];
  open = [];
  children = [];
});

afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  for (const each of open) await each[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
});

function storage(options: Partial<PayloadStorageOptions> = {}): PayloadStorage {
  const warn = (fields: object, message: string) => void warnings.push({ fields, message });
  const created = createPayloadStorage({
    directory,
    pathPrefix: undefined,
    threshold: 1_000,
    log: { warn, info: () => undefined },
    ...options,
  });
  open.push(created);
  return created;
}

function context(overrides: Partial<GuardContext> = {}): GuardContext {
  return {
    server: 'github',
    method: 'tools/call',
    toolName: 'list_issues',
    subject: 'agent-1',
    sessionId: SESSION,
    requestId: '7',
    ...overrides,
  };
}

/** A tool result whose JSON text has exactly so many bytes. */
function resultOfSize(bytes: number): string {
  const text = (filler: string) => `{"content":[{"type":"text","text":"${filler}"}]}`;
  return text('x'.repeat(bytes - text('').length));
}

async function send(
  guard: PayloadStorage,
  result: string,
  overrides: Partial<GuardContext> = {},
): Promise<GuardAnswer> {
  return guard.onResponse(parseMessage(responseText('7', result)), context(overrides));
}

interface Stored {
  readonly path: string;
  readonly preview: string;
  readonly answer: Record<string, unknown>;
  readonly response: string;
}

/** Reads the answer of the guard as a client would. */
function stored(answer: GuardAnswer): Stored {
  if (answer.kind !== 'replace') throw new Error(`the guard answered "${answer.kind}"`);
  const result = parseMessage(answer.text).value['result'];
  const content: unknown = isObject(result) ? result['content'] : undefined;
  const item: unknown = Array.isArray(content) && content.length === 1 ? content[0] : undefined;
  if (!isObject(item) || item['type'] !== 'text') throw new Error('the result is not one text item');
  const answered = JSON.parse(String(item['text'])) as Record<string, unknown>;
  return {
    path: String(answered['payloadPath']),
    preview: String(answered['payloadPreview']),
    answer: answered,
    response: answer.text,
  };
}

async function permissions(path: string): Promise<string> {
  return ((await stat(path)).mode & 0o777).toString(8);
}

/** What a client could read: everything in the directory but the gateway's own marks. */
async function sessionsIn(path: string): Promise<string[]> {
  return (await readdir(path)).filter((name) => !name.startsWith('.gatehouse-run-'));
}

describe('what is stored', () => {
  it('T-PTL-005 leaves a result of exactly the threshold inline', async () => {
    const guard = storage();
    expect(await send(guard, resultOfSize(1_000))).toEqual({ kind: 'pass' });
    expect((await send(guard, resultOfSize(1_001))).kind).toBe('replace');
  });

  it('T-PTL-005 counts bytes, not characters', async () => {
    const guard = storage();
    const result = JSON.stringify({ content: [{ type: 'text', text: '€'.repeat(400) }] });
    expect(result.length).toBeLessThan(1_000);
    expect(stored(await send(guard, result)).answer['originalSize']).toBe(Buffer.byteLength(result));
  });

  it('T-PTL-005 writes the exact text of the result and answers where it is', async () => {
    const guard = storage();
    const result = `{ "content": [], "structuredContent": {"exact": 12345678901234567890, "rows": [{"a": "${'x'.repeat(2_000)}"}]} }`;
    const { path, preview, answer, response } = stored(await send(guard, result));
    expect(await readFile(path, 'utf8')).toBe(result);
    expect(path.startsWith(`${directory}/`)).toBe(true);
    expect(path.slice(directory.length)).toMatch(/^\/[0-9a-f]{64}\/[0-9a-f]{32}\/payload\.json$/);
    expect(preview).toBe(`${result.slice(0, 500)}...`);
    expect(answer['payloadSchema']).toEqual({
      content: [],
      structuredContent: { exact: 'number', rows: [{ a: 'string' }] },
    });
    expect(answer['originalSize']).toBe(result.length);
    expect(String(answer['agentInstructions'])).toContain('payloadPath');
    expect(Object.keys(answer).length).toBe(5);
    expect(parseMessage(response).id).toBe('7');
  });

  it('T-PTL-005 puts the path prefix in place of the directory', async () => {
    const guard = storage({ pathPrefix: '/seen/by/agent/' });
    const { path } = stored(await send(guard, resultOfSize(2_000)));
    expect(path).toMatch(/^\/seen\/by\/agent\/[0-9a-f]{64}\/[0-9a-f]{32}\/payload\.json$/);
    expect(await readFile(path.replace('/seen/by/agent', directory), 'utf8')).toBe(resultOfSize(2_000));
  });

  it('T-PTL-005 lets nobody else read the files, and no path shows the session id', async () => {
    const guard = storage();
    const { path } = stored(await send(guard, resultOfSize(2_000)));
    const modes = [directory, join(path, '../..'), join(path, '..'), path].map(permissions);
    expect(await Promise.all(modes)).toEqual(['700', '700', '700', '600']);
    expect(path).not.toContain(SESSION);
    expect((await readdir(join(path, '..'))).join()).toBe('payload.json');
  });

  it('T-PTL-005 does not cut a character of the preview in two', async () => {
    const guard = storage();
    const start = '{"content":[{"type":"text","text":"';
    const { preview } = stored(await send(guard, `${start}${'x'.repeat(499 - start.length)}${'😀'.repeat(300)}"}]}`));
    expect(preview).toBe(`${start}${'x'.repeat(499 - start.length)}...`);
  });

  it.each([
    ['an error result', 'tools/call', `{"isError":true,"content":[{"type":"text","text":"${'x'.repeat(2_000)}"}]}`],
    ['a question to the client', 'tools/call', `{"resultType":"input_required","requestState":"${'x'.repeat(2_000)}"}`],
    ['a result of another method', 'resources/read', `{"contents":[],"content":[],"text":"${'x'.repeat(2_000)}"}`],
  ])('T-PTL-005 passes %s, whatever its size', async (_what, method, result) => {
    const guard = storage();
    expect(await send(guard, result, { method, toolName: undefined })).toEqual({ kind: 'pass' });
    expect(warnings).toEqual([]);
  });

  it('T-PTL-005 passes a JSON-RPC error, whatever its size', async () => {
    const error = `{"jsonrpc":"2.0","id":7,"error":{"code":-32000,"message":"${'x'.repeat(2_000)}"}}`;
    expect(await storage().onResponse(parseMessage(error), context())).toEqual({ kind: 'pass' });
  });

  it('keeps the result type of the newer protocol', async () => {
    const { response } = stored(await send(storage(), `{"resultType":"complete","content":["${'x'.repeat(2_000)}"]}`));
    expect(parseMessage(response).value['result']).toHaveProperty('resultType', 'complete');
  });
});

describe('when the file cannot be written', () => {
  it('T-PTL-005 passes the original result and logs why', async () => {
    await writeFile(directory, 'a file where the directory should be');
    const guard = storage();
    await expect(guard.start()).rejects.toMatchObject({ code: 'EEXIST' });
    expect(await send(guard, resultOfSize(2_000))).toEqual({ kind: 'pass' });
    expect(warnings).toMatchObject([{ fields: { server: 'github', tool: 'list_issues', err: { code: 'EEXIST' } } }]);
    await rm(directory);
    expect((await send(guard, resultOfSize(2_000))).kind).toBe('replace');
  });

  it.skipIf(process.getuid?.() !== 0)(
    'T-PTL-005 passes the original result on a full disk and leaves no half file',
    async () => {
      await mkdir(directory);
      await run('mount', ['-t', 'tmpfs', '-o', 'size=128k', 'tmpfs', directory]);
      try {
        const guard = storage();
        const fits = stored(await send(guard, resultOfSize(20_000)));
        expect(await send(guard, resultOfSize(500_000))).toEqual({ kind: 'pass' });
        expect(warnings).toMatchObject([{ fields: { err: { code: 'ENOSPC' } } }]);
        const inSession = (await readdir(join(fits.path, '../..'))).filter((name) => !name.startsWith('.'));
        expect(inSession).toEqual([fits.path.split('/').at(-2)]);
        expect((await send(guard, resultOfSize(20_000))).kind).toBe('replace');
        await guard[Symbol.asyncDispose]();
        expect(await readdir(directory)).toEqual([]);
      } finally {
        await run('umount', [directory]);
      }
    },
  );

  it('T-PTL-005 passes results inline beyond the limit for all files, until a session ends', async () => {
    const guard = storage({ maxTotalBytes: 25_000 });
    expect((await send(guard, resultOfSize(20_000))).kind).toBe('replace');
    expect((await send(guard, resultOfSize(20_000), { sessionId: 'other' })).kind).toBe('pass');
    expect(warnings).toHaveLength(1);
    await guard.forgetSession(SESSION);
    expect((await send(guard, resultOfSize(20_000), { sessionId: 'other' })).kind).toBe('replace');
  });
});

describe('how long files live', () => {
  it('T-PTL-005 stores many results of many sessions at once, each in a file of its own', async () => {
    const guard = storage();
    const results = Array.from({ length: 60 }, (_, index) => resultOfSize(2_000 + index));
    const paths = await Promise.all(
      results.map(
        async (result, index) => stored(await send(guard, result, { sessionId: `session-${index % 4}` })).path,
      ),
    );
    expect(new Set(paths).size).toBe(60);
    expect(await Promise.all(paths.map((path) => readFile(path, 'utf8')))).toEqual(results);
    expect(await sessionsIn(directory)).toHaveLength(4);
  });

  it('T-PTL-005 removes the files of a session when it ends, and only those', async () => {
    const guard = storage();
    const mine = stored(await send(guard, resultOfSize(2_000)));
    const other = stored(await send(guard, resultOfSize(2_000), { sessionId: 'other' }));
    await guard.forgetSession(SESSION);
    await guard.forgetSession('never seen');
    await expect(readFile(mine.path)).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await readFile(other.path, 'utf8')).toBe(resultOfSize(2_000));
    expect(await sessionsIn(directory)).toHaveLength(1);
  });

  it('waits for a write that is under way before it removes the session, and can begin it anew', async () => {
    const guard = storage();
    const writes = Array.from({ length: 40 }, () => send(guard, resultOfSize(500_000)));
    await expect.poll(() => sessionsIn(directory).catch(() => []), { interval: 1 }).toHaveLength(1);
    const ended = guard.forgetSession(SESSION);
    const again = send(guard, resultOfSize(3_000));
    await ended;
    expect((await Promise.all(writes)).every((answer) => answer.kind === 'replace')).toBe(true);
    const { path } = stored(await again);
    expect(await readFile(path, 'utf8')).toBe(resultOfSize(3_000));
    expect(await readdir(join(path, '../..'))).toHaveLength(2);
    await guard.forgetSession(SESSION);
    expect(await sessionsIn(directory)).toEqual([]);
    expect(warnings).toEqual([]);
  });

  it('T-PTL-005 removes every file at shutdown and stores nothing afterwards', async () => {
    const guard = storage();
    await mkdir(directory);
    await writeFile(join(directory, 'not-ours'), '');
    await Promise.all([send(guard, resultOfSize(2_000)), send(guard, resultOfSize(2_000), { sessionId: 'other' })]);
    await guard[Symbol.asyncDispose]();
    expect(await readdir(directory)).toEqual(['not-ours']);
    expect(await send(guard, resultOfSize(2_000))).toEqual({ kind: 'pass' });
    expect(await readdir(directory)).toEqual(['not-ours']);
  });
});

describe('files of a session that never ends', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it('go after a day, and give their room back', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const guard = storage({ maxTotalBytes: 45_000 });
    const old = stored(await send(guard, resultOfSize(20_000)));
    const recent = stored(await send(guard, resultOfSize(20_000)));
    expect((await send(guard, resultOfSize(20_000))).kind).toBe('pass');
    const yesterday = new Date(Date.now() - 25 * 60 * 60_000);
    await utimes(old.path, yesterday, yesterday);

    vi.advanceTimersByTime(HEARTBEAT_MS);

    await expect.poll(() => readdir(join(old.path, '..')).catch(() => 'gone')).toBe('gone');
    expect(await readFile(recent.path, 'utf8')).toBe(resultOfSize(20_000));
    await expect.poll(async () => (await send(guard, resultOfSize(20_000))).kind).toBe('replace');
    expect((await send(guard, resultOfSize(20_000))).kind).toBe('pass');
  });

  it('keep their mark fresh, so that no other gateway takes them for leftovers', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    await storage().start();
    const [mark] = await readdir(directory);
    const path = join(directory, String(mark));
    await utimes(path, 1, 1);
    vi.advanceTimersByTime(HEARTBEAT_MS);
    await expect.poll(async () => (await stat(path)).mtimeMs > 1_000).toBe(true);
  });
});

describe('leftovers of dead runs', () => {
  /** Another gateway process that has stored one result; resolves with the path of the file. */
  async function otherGateway(): Promise<{ readonly child: ChildProcess; readonly path: string }> {
    const program = `
      const { createPayloadStorage } = await import(${JSON.stringify(new URL('./payload-storage.ts', import.meta.url).href)});
      const { parseMessage } = await import(${JSON.stringify(new URL('../mcp/message.ts', import.meta.url).href)});
      const log = { warn: console.error, info() {} };
      const guard = createPayloadStorage({ directory: ${JSON.stringify(directory)}, pathPrefix: undefined, threshold: 1, log });
      const message = parseMessage('{"jsonrpc":"2.0","id":1,"result":{"content":["large"]}}');
      const answer = await guard.onResponse(message, { server: 's', method: 'tools/call', toolName: 't', subject: 'a', sessionId: 'x', requestId: '1' });
      console.log(JSON.parse(JSON.parse(answer.text).result.content[0].text).payloadPath);
      setInterval(() => {}, 1000);
    `;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    const [line] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string];
    return { child, path: line.trim() };
  }

  async function kill(child: ChildProcess): Promise<void> {
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  it('T-PTL-005 removes at start what a killed gateway left, and touches neither a living one nor strangers', async () => {
    const [killed, living] = await Promise.all([otherGateway(), otherGateway()]);
    await kill(killed.child);
    const stranger = join(directory, 'f'.repeat(64));
    await mkdir(stranger);
    await writeFile(join(stranger, 'precious'), '');

    await storage().start();

    await expect(readFile(killed.path)).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await readFile(living.path, 'utf8')).toBe('{"content":["large"]}');
    expect(await readdir(stranger)).toEqual(['precious']);
    expect(await sessionsIn(directory)).toHaveLength(2);
    expect((await readdir(directory)).length).toBe(4);
  });

  it('leaves the files of a second storage in the same process alone', async () => {
    const first = storage();
    const { path } = stored(await send(first, resultOfSize(2_000)));
    await storage().start();
    expect(await readFile(path, 'utf8')).toBe(resultOfSize(2_000));
  });

  it('judges a gateway in another container by the age of its mark', async () => {
    const { child, path } = await otherGateway();
    await kill(child);
    const markName = (await readdir(directory)).find((name) => name.startsWith('.gatehouse-run-'));
    if (markName === undefined) throw new Error('the other gateway has made no mark');
    const mark = join(directory, markName);
    await writeFile(mark, JSON.stringify({ place: 'another container', pid: child.pid, startedAt: 0 }));

    await storage().start();
    expect(await readFile(path, 'utf8')).toBe('{"content":["large"]}');

    const longAgo = new Date(Date.now() - DEAD_AFTER_MS - 60_000);
    await utimes(mark, longAgo, longAgo);
    await storage().start();
    await expect(readFile(path)).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await readdir(directory)).not.toContain(markName);
  });
});
