/**
 * The first step of `npm start` and `npm test`, in JavaScript that any Node since 18 can run: installs the packages
 * when they are missing or out of date, then goes on with the project's own Node (npm package `node`) in TypeScript.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const ownNode = join(root, 'node_modules/node/bin/node');

/** A terminal's Ctrl-C reaches us twice, from the terminal and from npm; what comes this soon is the same one. */
const ECHO_MS = 500;

/** Runs `script` (path from the root) with our arguments, and ends as it ends. */
export async function continueIn(script) {
  if (Number.parseInt(process.versions.node, 10) < 18) {
    fail(
      `This needs Node 18 or newer to begin with, and this is Node ${process.versions.node}: see https://nodejs.org`,
    );
  }
  if (!packagesAreCurrent()) install();
  // A session of its own keeps Ctrl-C away from the child: it gets each signal exactly once, from here.
  const child = spawn(ownNode, [join(root, script), ...process.argv.slice(2)], {
    cwd: root,
    detached: true,
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, PATH: `${join(root, 'node_modules/.bin')}:${process.env.PATH ?? ''}` },
  });
  let last = 0;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      const now = Date.now();
      if (now - last > ECHO_MS) child.kill('SIGTERM');
      last = now;
    });
  }
  const status = await new Promise((resolve) => {
    child.once('error', (error) => fail(`The project's own Node does not start: ${error.message}`));
    child.once('exit', (code) => resolve(code ?? 1));
  });
  process.exit(status);
}

/** True when every package of the lockfile is installed in the version that it names. */
function packagesAreCurrent() {
  const installed = readLockfile('node_modules/.package-lock.json');
  const wanted = readLockfile('package-lock.json');
  return (
    existsSync(ownNode) &&
    Object.entries(wanted).every(
      ([path, entry]) => path === '' || entry.optional === true || installed[path]?.version === entry.version,
    )
  );
}

function readLockfile(path) {
  try {
    return JSON.parse(readFileSync(join(root, path), 'utf8')).packages ?? {};
  } catch {
    return {};
  }
}

function install() {
  console.log('Installing packages (npm ci) …');
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  const npm = process.env.npm_execpath;
  const [command, first] = npm === undefined ? ['npm', []] : [process.execPath, [npm]];
  const done = spawnSync(command, [...first, ...args], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  if (done.status !== 0) fail('npm ci failed; its own message stands above.');
  if (!existsSync(ownNode)) {
    fail('npm did not set up the package `node`: it was told to run no install scripts. Run: npm rebuild node esbuild');
  }
}

function fail(sentence) {
  console.error(sentence);
  process.exit(1);
}
