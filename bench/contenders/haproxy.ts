/** haproxy as a plain reverse proxy. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { IGNORED_CREDENTIAL, listening, type Contender } from '../contender.ts';
import { pinned } from '../machine/pinning.ts';
import { freePort, start, untilAnswers } from '../machine/processes.ts';
import { proxies } from '../machine/proxies.ts';
import { runFolder } from '../machine/run-folder.ts';

export const haproxy: Contender = {
  name: 'haproxy',
  compiled: true,
  does: 'plain reverse proxy; looks at nothing, logs nothing',
  async start({ upstream, cpu, pinning, label }) {
    const port = await freePort();
    const file = join(runFolder('haproxy'), `${label}.cfg`);
    writeFileSync(
      file,
      `global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend clients
  bind 127.0.0.1:${port}
  http-request del-header authorization
  default_backend server
backend server
  server one 127.0.0.1:${upstream.port}
`,
    );
    const program = start([...proxies().haproxy, '-db', '-f', file], { name: label, pinned: pinned(cpu, pinning) });
    await untilAnswers(`http://127.0.0.1:${port}/`);
    return listening(program, port, { headers: IGNORED_CREDENTIAL });
  },
};
