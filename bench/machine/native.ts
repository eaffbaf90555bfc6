/** The programs in C, built when they are missing or older than their sources: load generators, and the server behind the contenders. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { PATHS } from './paths.ts';
import { run } from './processes.ts';

const PROGRAMS = {
  load: { source: 'load.c', flags: [] },
  handshakes: { source: 'handshakes.c', flags: ['-pthread', '-lssl', '-lcrypto'] },
  upstream: { source: 'upstream.c', flags: [] },
  /** The same behind mutual TLS. */
  'upstream-tls': { source: 'upstream.c', flags: ['-DWITH_TLS', '-lssl', '-lcrypto'] },
  /** The same for a container image that has nothing else. */
  'upstream-static': { source: 'upstream.c', flags: ['-static'] },
} as const;

const HEADERS = ['exchange.h', 'link.h'].map((name) => join(PATHS.native, name));

/** Path of the program. Throws what the compiler says. */
export function native(name: keyof typeof PROGRAMS): string {
  const { source, flags } = PROGRAMS[name];
  const [from, program] = [join(PATHS.native, source), join(PATHS.cache, name)];
  mkdirSync(PATHS.cache, { recursive: true });
  if (existsSync(program) && [from, ...HEADERS].every((file) => statSync(file).mtimeMs < statSync(program).mtimeMs))
    return program;
  // Two runs may build at the same time.
  const fresh = `${program}.${process.pid}`;
  if (spawnSync('gcc', ['--version']).status !== 0)
    throw new Error('gcc is missing; on Debian: apt-get install gcc libc6-dev libssl-dev');
  run(['gcc', '-O2', '-Wall', '-Wextra', '-o', fresh, from, ...flags]);
  renameSync(fresh, program);
  return program;
}
