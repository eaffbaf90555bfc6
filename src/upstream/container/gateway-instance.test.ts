import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { newInstance, ownerState } from './gateway-instance.ts';

/** The label of this process with some of its parts changed: machine, boot, namespace, pid, start. */
function label(change: Partial<Record<0 | 1 | 2 | 3 | 4, string>> = {}): string {
  return Object.assign(newInstance().process.split('/'), change).join('/');
}

describe('ownerState', () => {
  it('knows itself', () => {
    expect(ownerState(label())).toBe('alive');
  });

  it('knows a process that has ended, and one that was given its id since', async () => {
    const child = spawn('/bin/true');
    await once(child, 'exit');
    expect(ownerState(label({ 3: String(child.pid) }))).toBe('dead');
    expect(ownerState(label({ 4: '1' }))).toBe('dead');
  });

  it('knows an earlier boot', () => {
    expect(ownerState(label({ 1: '00000000-0000-0000-0000-000000000000' }))).toBe('rebooted');
  });

  it.each([
    label({ 0: 'another machine' }),
    label({ 2: '4026530000' }),
    label({ 3: '0' }),
    label({ 3: 'x' }),
    '',
    'a/b',
    `${label()}/more`,
  ])('does not judge %s', (other) => {
    expect(ownerState(other)).toBe('unknown');
  });

  it('gives every instance an id of its own', () => {
    expect(newInstance().id).not.toBe(newInstance().id);
  });
});
