/** nginx as a plain reverse proxy: the limit that a gateway is measured against. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { listening, type Contender, type Context } from '../contender.ts';
import { PATHS } from '../paths.ts';
import { freePort, start, untilAnswers, type Started } from '../processes.ts';

export const nginx: Contender = {
  name: 'nginx',
  does: 'plain reverse proxy; looks at nothing, logs nothing',
  async start(context) {
    const port = await freePort();
    const { port: server, tls } = context.upstream;
    const secure =
      tls === undefined
        ? ''
        : `proxy_ssl_certificate ${tls.cert}; proxy_ssl_certificate_key ${tls.key}; proxy_ssl_trusted_certificate ${tls.ca};
           proxy_ssl_verify on; proxy_ssl_name localhost; proxy_ssl_server_name on; proxy_ssl_session_reuse on;`;
    const program = startNginx(
      context,
      'nginx',
      `
      upstream server { server 127.0.0.1:${server}; keepalive 512; }
      server {
        listen 127.0.0.1:${port} backlog=4096;
        location / {
          proxy_pass ${tls === undefined ? 'http' : 'https'}://server;
          proxy_http_version 1.1;
          proxy_set_header Connection "";
          proxy_set_header Authorization "";
          ${secure}
        }
      }`,
    );
    await untilAnswers(`http://127.0.0.1:${port}/`);
    return listening(program, port, { headers: { authorization: `Bearer ${'x'.repeat(200)}` } });
  },
};

/** One worker in the foreground, with these contents of its `http` block. */
export function startNginx({ proxies, cpu }: Pick<Context, 'proxies' | 'cpu'>, name: string, http: string): Started {
  const folder = join(PATHS.cache, name);
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'nginx.conf');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${folder}/${kind};`,
  );
  writeFileSync(
    file,
    `daemon off; master_process off; pid ${folder}/pid; error_log stderr warn; worker_rlimit_nofile 65536;
     events { worker_connections 16384; }
     http {
       access_log off; ${temporary.join(' ')}
       client_max_body_size 64m; client_body_buffer_size 2m; proxy_buffers 64 32k; proxy_buffer_size 16k;
       keepalive_requests 1000000000; tcp_nodelay on;
       ${http}
     }`,
  );
  return start([...proxies.nginx, '-p', folder, '-c', file, '-e', 'stderr'], { name, cpu });
}
