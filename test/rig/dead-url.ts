/** The address of a server that is not there. */
import { freePort } from '../../scripts/setup/free-port.ts';

/** Nothing listens there, nor will: what tests start by themselves gets its ports elsewhere. */
export async function deadUrl(): Promise<string> {
  return `http://127.0.0.1:${await freePort()}/mcp`;
}
