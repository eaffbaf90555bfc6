/** The files of a log directory: where they are and what they are called. */
import { createHash } from 'node:crypto';
import { mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';

export const GATEWAY_LOG = 'mcp-gateway.log';
export const RPC_LOG = 'rpc-messages.jsonl';

/** Opens a file of the directory for appending, and creates both where they are missing. Throws what the file system says. */
export function openLogFile(directory: string, name: string): number {
  mkdirSync(directory, { recursive: true });
  // The mode is the operator's umask: whoever collects the logs is often not who runs the gateway.
  return openSync(join(directory, name), 'a');
}

/** The file name for a server; a name that is not already a safe one gets a digest, so that two servers never share a file. */
export function serverLogName(server: string): string {
  const safe = server
    .replaceAll(/[^A-Za-z0-9._-]/g, '_')
    .replace(/^[^A-Za-z0-9_]/, '_')
    .slice(0, 100);
  if (safe === server && safe !== '' && safe.toLowerCase() !== 'mcp-gateway') return `${safe}.log`;
  const digest = createHash('sha256').update(server).digest('hex').slice(0, 8);
  return `${safe}-${digest}.log`;
}
