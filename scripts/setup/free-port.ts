/** A free TCP port that stays free for as long as nobody asks for this very one. */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/**
 * Systems take the ports that nobody has named from higher ones (Linux: `net.ipv4.ip_local_port_range`): one from here
 * is not given to somebody else between being found and being used, nor while its server is away.
 */
const LOWEST = 10_000;
const HIGHEST = 30_000;

/** On this address of the machine. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  for (;;) {
    const port = randomInt(LOWEST, HIGHEST);
    if (await isFree(host, port)) return port;
  }
}

export async function isFree(host: string, port: number): Promise<boolean> {
  const probe = createServer();
  return new Promise((resolve) => {
    probe.once('error', () => resolve(false));
    probe.listen(port, host, () => probe.close(() => resolve(true)));
  });
}
