/** Asks the system which TCP ports of loopback are free. */
import { createServer } from 'node:net';

export async function isPortFree(port: number): Promise<boolean> {
  const probe = createServer();
  return new Promise((resolve) => {
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => {
      probe.close(() => resolve(true));
    });
  });
}

/** The first free port from `first` on. */
export async function freePort(first: number): Promise<number> {
  for (let port = first; port < first + 100; port += 1) if (await isPortFree(port)) return port;
  throw new Error(`no port between ${first} and ${first + 99} is free`);
}
