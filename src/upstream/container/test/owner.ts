/** A gateway of its own process for the tests of orphans: starts one stubborn server, says who it is, and stays. */
import { newHost, shellServer, Wire } from './containers.ts';

const host = newHost();
const wire = new Wire(
  host,
  // Its helper keeps it running after its input has ended and whatever signal it gets.
  await shellServer({
    name: 'stubborn',
    network: 'isolated',
    script: 'trap "" TERM HUP; echo ready; while :; do sleep 1; done',
  }),
);
await wire.open();
await wire.message(0);
process.stdout.write(`${host.instance.id}\n`);
// The container's streams keep this process alive.
