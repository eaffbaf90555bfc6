/**
 * NET-01 as it was reported, steps 1.1 to 1.4 to the letter: its commands, its folder /tmp/certs, its ports 8443 and 9000,
 * on both stores. It runs in namespaces of its own, where all of them are nobody else's; that needs root.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const INSIDE = fileURLToPath(new URL('seed-inside.ts', import.meta.url));
const namespaces = ['--pid', '--mount', '--net', '--fork', '--mount-proc'];
const child = spawn('unshare', [...namespaces, process.execPath, INSIDE], { stdio: ['ignore', 'inherit', 'inherit'] });
const [status] = (await once(child, 'close')) as [number | null];
process.exitCode = status ?? 1;
