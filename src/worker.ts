/** A worker: a process beside the gateway that serves the same port. Started by the gateway, never by hand. */
import { countAllMemoryTogether } from './shared/collector.ts';

import { keepYoungMemorySmall } from './shared/young-memory.ts';

keepYoungMemorySmall();
// Whoever signals the whole group means the gateway: it tells its workers in good order.
for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
if (process.send === undefined) {
  process.stderr.write('This is a part of gatehouse: use gatehouse serve --workers N.\n');
  process.exit(1);
}
process.title = 'gatehouse: worker';

countAllMemoryTogether();
const { runWorker } = await import('./gateway-worker.ts');
runWorker();
