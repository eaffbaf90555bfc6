/** haproxy as a plain reverse proxy. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { listening, type Contender } from '../contender.ts';
import { PATHS } from '../paths.ts';
import { freePort, start, untilAnswers } from '../processes.ts';

export const haproxy: Contender = {
  name: 'haproxy',
  does: 'plain reverse proxy; looks at nothing, logs nothing',
  async start({ proxies, upstream, cpu }) {
    const port = await freePort();
    const folder = join(PATHS.cache, 'haproxy');
    mkdirSync(folder, { recursive: true });
    const file = join(folder, 'haproxy.cfg');
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
    const program = start([...proxies.haproxy, '-db', '-f', file], { name: 'haproxy', cpu });
    await untilAnswers(`http://127.0.0.1:${port}/`);
    return listening(program, port, { headers: { authorization: `Bearer ${'x'.repeat(200)}` } });
  },
};
