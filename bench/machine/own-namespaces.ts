/** Runs a program where processes, mounts and network are nobody else's. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** What the program prints, read as JSON. Needs root. */
export async function runInOwnNamespaces(program: URL): Promise<unknown> {
  const namespaces = ['--pid', '--mount', '--net', '--fork', '--mount-proc'];
  const command = [...namespaces, process.execPath, fileURLToPath(program)];
  const child = spawn('unshare', command, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await once(child, 'close');
  return JSON.parse(output) as unknown;
}
