/** Writes to a store without an end and notes what it was told is done; `crash.ts` kills it. */
import { openSync, writeSync } from 'node:fs';
import { openStore, type StoreLocation } from '../../src/store/open-store.ts';
import type { Actor, GatewayRecord, Store } from '../../src/store/store.ts';

/** One line of the journal, written after the store has answered. */
export interface Acknowledged {
  readonly did: 'gateway.create' | 'gateway.delete' | 'tools.call';
  /** Of the gateway, or the reason of the denial. */
  readonly name: string;
}

const ACTOR: Actor = { subject: 'writer', user: undefined, requestId: undefined, address: undefined };
/** So that the text of a row is longer than a page of the database. */
const DESCRIPTION = 'x'.repeat(6_000);

async function writeForever(store: Store, note: (line: Acknowledged) => void, run: string): Promise<never> {
  for (let count = 0; ; count += 1) {
    const name = `server-${run}-${count}`;
    const record = await create(store, name);
    note({ did: 'gateway.create', name });
    const denied = [1, 2, 3].map(async (index) => {
      const reason = `denial-${run}-${count}-${index}`;
      await store.recordDenial({ actor: ACTOR, action: 'tools.call', object: undefined, reason });
      note({ did: 'tools.call', name: reason });
    });
    await Promise.all(denied);
    if (count % 2 === 1) continue;
    await remove(store, record);
    note({ did: 'gateway.delete', name });
  }
}

async function create(store: Store, name: string): Promise<GatewayRecord> {
  return store.change({ actor: ACTOR, action: 'gateway.create' }, async (tx) => {
    const result = await tx.insertGateway({
      name,
      document: { type: 'http', url: `https://${name}.example.com` },
      secrets: { '/headers/Authorization': name },
      access: { visibility: 'public', owner: undefined, team: undefined },
      description: DESCRIPTION,
      tags: [],
      enabled: true,
      state: 'active',
      leaseUntil: undefined,
    });
    return { result, object: { kind: 'gateway', id: result.id, name }, before: undefined, after: { name } };
  });
}

async function remove(store: Store, { id, name }: GatewayRecord): Promise<void> {
  await store.change({ actor: ACTOR, action: 'gateway.delete' }, async (tx) => {
    await tx.deleteGateway(id);
    return { result: undefined, object: { kind: 'gateway', id, name }, before: { name }, after: undefined };
  });
}

const [, , location = '', journal = '', run = ''] = process.argv;
const file = openSync(journal, 'a');
let first = true;
await writeForever(
  await openStore(JSON.parse(location) as StoreLocation),
  (line) => {
    // What is in the page cache survives the end of the process.
    writeSync(file, `${JSON.stringify(line)}\n`);
    if (first) process.stdout.write('writing\n');
    first = false;
  },
  run,
);
