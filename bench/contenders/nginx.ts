/** nginx as a plain reverse proxy: the limit that a gateway is measured against. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { IGNORED_CREDENTIAL, listening, type Contender, type Setting } from '../contender.ts';
import { pinned } from '../machine/pinning.ts';
import { freePort, start, untilAnswers, untilListens, type Started } from '../machine/processes.ts';
import { proxies } from '../machine/proxies.ts';
import { runFolder } from '../machine/run-folder.ts';

export const nginx = nginxWith('nginx', 'plain reverse proxy; looks at nothing, logs nothing', 1);
export const nginxTwice = nginxWith('nginx-2', 'the same with two workers', 2);

function nginxWith(name: string, does: string, workers: number): Contender {
  return {
    name,
    does,
    compiled: true,
    prepare: () => void proxies(),
    async start(setting) {
      const port = await freePort();
      const { upstream, listener } = setting;
      const program = startNginx(
        setting,
        `
        upstream server { server 127.0.0.1:${upstream.port}; keepalive 512; }
        server {
          listen 127.0.0.1:${port} backlog=4096 ${listener === undefined ? '' : 'ssl'} ${workers > 1 ? 'reuseport' : ''};
          ${listener === undefined ? '' : `ssl_certificate ${listener.cert}; ssl_certificate_key ${listener.key}; ssl_protocols TLSv1.2 TLSv1.3;`}
          location / {
            proxy_pass ${upstream.tls === undefined ? 'http' : 'https'}://server;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Authorization "";
            proxy_read_timeout 1h;
            ${upstream.tls === undefined ? '' : clientTls(upstream.tls)}
          }
        }`,
        workers,
      );
      if (listener === undefined) await untilAnswers(`http://127.0.0.1:${port}/`);
      else await untilListens(port);
      return listening(program, port, { headers: IGNORED_CREDENTIAL });
    },
  };
}

function clientTls({ ca, cert, key }: { readonly ca: string; readonly cert: string; readonly key: string }): string {
  return `proxy_ssl_certificate ${cert}; proxy_ssl_certificate_key ${key}; proxy_ssl_trusted_certificate ${ca};
    proxy_ssl_verify on; proxy_ssl_name localhost; proxy_ssl_server_name on; proxy_ssl_session_reuse on;
    proxy_ssl_protocols TLSv1.3;`;
}

/** In the foreground, with these contents of its `http` block. */
function startNginx(
  { cpu, pinning, label, files }: Pick<Setting, 'cpu' | 'pinning' | 'label' | 'files'>,
  http: string,
  workers = 1,
): Started {
  const folder = runFolder(join('nginx', label));
  const file = join(folder, 'nginx.conf');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${folder}/${kind};`,
  );
  writeFileSync(
    file,
    `daemon off; ${workers === 1 ? 'master_process off;' : `worker_processes ${workers};`}
     pid ${folder}/pid; error_log stderr warn; ${files === undefined ? '' : `worker_rlimit_nofile ${files};`}
     events { worker_connections ${files === undefined ? 16384 : 65536}; }
     http {
       access_log off; ${temporary.join(' ')}
       client_max_body_size 64m; client_body_buffer_size 2m; proxy_buffers 64 32k; proxy_buffer_size 16k;
       keepalive_requests 1000000000; tcp_nodelay on;
       ${http}
     }`,
  );
  return start([...proxies().nginx, '-p', folder, '-c', file, '-e', 'stderr'], {
    name: label,
    pinned: pinned(cpu, pinning),
    ...(files === undefined ? {} : { files }),
  });
}
