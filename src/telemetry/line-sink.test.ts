import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, mkdtempSync, openSync, read, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { LineSink, type Loss } from './line-sink.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'line-sink-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

function open(fd: number, maxBuffered = 1_000_000): { sink: LineSink; losses: Loss[] } {
  const losses: Loss[] = [];
  return { sink: new LineSink({ fd, owned: true, maxBuffered, onLoss: (loss) => losses.push(loss) }), losses };
}

it('writes every line in order, also more than one batch and characters of several bytes', async () => {
  const path = join(directory, 'log');
  const { sink } = open(openSync(path, 'a'), 10_000_000);
  const lines = Array.from({ length: 5_000 }, (_, index) => `${index} ${'ü'.repeat(100)}\n`);
  for (const line of lines) sink.write(line);
  await sink.close();
  expect(readFileSync(path, 'utf8')).toBe(lines.join(''));
});

it('writes at once when told to, exactly once', async () => {
  const path = join(directory, 'log');
  const { sink } = open(openSync(path, 'a'));
  sink.write('one\n');
  sink.flushSync();
  expect(readFileSync(path, 'utf8')).toBe('one\n');
  sink.write('two\n');
  await sink.close();
  expect(readFileSync(path, 'utf8')).toBe('one\ntwo\n');
});

it('drops and counts what a full disk does not take, says so once, and goes on', async () => {
  const { sink, losses } = open(openSync('/dev/full', constants.O_WRONLY));
  for (let batch = 0; batch < 3; batch += 1) {
    sink.write(`line ${batch}\n`);
    while (losses.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  sink.flushSync();
  await sink.close();
  expect(losses).toMatchObject([{ lines: 1, over: false, error: { code: 'ENOSPC' } }]);
});

/** A pipe that takes 64 KiB and no more until somebody reads. */
async function openPipe(): Promise<{ readEnd: number; writeEnd: number }> {
  const path = join(directory, 'pipe');
  await once(spawn('mkfifo', [path]), 'exit');
  const readEnd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  return { readEnd, writeEnd: openSync(path, constants.O_WRONLY | constants.O_NONBLOCK) };
}

it('holds a bounded amount for a reader that stalls, and reports the number lost when it reads again', async () => {
  const { readEnd, writeEnd } = await openPipe();
  const { sink, losses } = open(writeEnd, 100_000);
  const line = `${'x'.repeat(9_999)}\n`;
  for (let count = 0; count < 100; count += 1) sink.write(line);
  expect(losses).toEqual([{ lines: 1, error: undefined, over: false }]);
  const buffer = Buffer.alloc(65_536);
  while (losses.length < 2) await new Promise((resolve) => read(readEnd, buffer, resolve));
  expect(losses[1]).toEqual({ lines: 90, error: undefined, over: true });
  await sink.close();
  closeSync(readEnd);
});

it('closes within its deadline although nobody reads', async () => {
  const { readEnd, writeEnd } = await openPipe();
  const { sink } = open(writeEnd);
  sink.write(`${'x'.repeat(500_000)}\n`);
  await sink.close();
  closeSync(readEnd);
});
