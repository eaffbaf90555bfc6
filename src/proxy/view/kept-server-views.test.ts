import { expect, it } from 'vitest';
import type { ItemOverride, ItemReference } from '../../config/registration.ts';
import type { UpstreamPool } from '../../upstream/pool.ts';
import { PLAIN } from '../names.ts';
import { keptServerView } from './kept-server-views.ts';
import type { ServerViewOptions } from './server-view.ts';

const ECHO: ItemReference = { server: 'web', kind: 'tool', key: 'echo' };
const OTHER: ItemReference = { server: 'web', kind: 'tool', key: 'other' };
const HIDDEN: ItemOverride = {
  ...ECHO,
  enabled: false,
  name: undefined,
  title: undefined,
  description: undefined,
  annotations: undefined,
  tags: [],
};
const OPTIONS: ServerViewOptions = {
  server: 'web',
  tools: undefined,
  names: PLAIN,
  overrides: [HIDDEN],
  selection: [ECHO, OTHER],
};

/** Only which one it is counts. */
function somePool(): UpstreamPool {
  return {} as unknown as UpstreamPool;
}

it('stays while everything that it is made from stays, also in new lists', () => {
  const pool = somePool();
  const view = keptServerView(pool, 'virtual', OPTIONS);
  expect(keptServerView(pool, 'virtual', { ...OPTIONS, overrides: [HIDDEN], selection: [ECHO, OTHER] })).toBe(view);
});

it.each([
  ['an override', { overrides: [{ ...HIDDEN, enabled: true }] }],
  ['an override that is gone', { overrides: [] }],
  ['the selection', { selection: [ECHO] }],
  ['a selection that is none any more', { selection: undefined }],
  ['the tools of the server', { tools: ['echo'] }],
  ['the names', { names: { ...PLAIN } }],
])('is another one when %s is another', (_, changes) => {
  const pool = somePool();
  const view = keptServerView(pool, 'virtual', OPTIONS);
  const next = keptServerView(pool, 'virtual', { ...OPTIONS, ...changes });
  expect(next).not.toBe(view);
  expect(keptServerView(pool, 'virtual', OPTIONS)).not.toBe(view);
});

it('is never that of another endpoint or another pool', () => {
  const pool = somePool();
  const view = keptServerView(pool, 'virtual', OPTIONS);
  expect(keptServerView(pool, 'unified', OPTIONS)).not.toBe(view);
  expect(keptServerView(somePool(), 'virtual', OPTIONS)).not.toBe(view);
});

it('is kept for the endpoints that were wanted last, and for so many only', () => {
  const pool = somePool();
  const first = keptServerView(pool, 'endpoint-0', OPTIONS);
  for (let count = 1; count <= 100; count += 1) keptServerView(pool, `endpoint-${count}`, OPTIONS);
  expect(keptServerView(pool, 'endpoint-0', OPTIONS)).not.toBe(first);
});
