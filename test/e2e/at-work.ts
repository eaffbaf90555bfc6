/** Knows of the fixture server whether calls have reached it. */
import { expect } from 'vitest';
import type { RawClient } from './raw-client.ts';

/** Resolves once the server is at `calls` calls beside the one that asks it. `prefix` is for clients of the unified endpoint. */
export async function untilAtWork(client: RawClient, calls = 1, prefix = ''): Promise<void> {
  await expect.poll(() => callsAtWork(client, prefix), { interval: 20 }).toBe(calls);
}

async function callsAtWork(client: RawClient, prefix: string): Promise<unknown> {
  const { answer } = await client.request('tools/call', { name: `${prefix}stats`, arguments: {} }, 'stats');
  return (answer.result?.['structuredContent'] as { readonly active?: unknown } | undefined)?.active;
}
