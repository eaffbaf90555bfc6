/** Other MCP gateways from npm, and a proxy made of the official SDK's server and client. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { listening, type Contender } from '../contender.ts';
import { PATHS } from '../paths.ts';
import { freePort, run, start, untilAnswers } from '../processes.ts';

const SDK_PROXY = fileURLToPath(new URL('sdk-proxy-program.ts', import.meta.url));

/** Installs them beside their own lock file. */
function installPeers(): void {
  if (!existsSync(join(PATHS.peers, 'node_modules/.bin/supergateway')))
    run(['npm', 'ci', '--no-audit', '--no-fund', '--ignore-scripts'], { cwd: PATHS.peers });
}

export const mcpProxy: Contender = {
  name: 'mcp-proxy',
  does: 'npm mcp-proxy, streamable HTTP to a process on stdio; no authentication',
  async start({ native, cpu }) {
    installPeers();
    const port = await freePort();
    const program = start(
      [
        process.execPath,
        join(PATHS.peers, 'node_modules/.bin/mcp-proxy'),
        '--host',
        '127.0.0.1',
        '--port',
        String(port),
        '--server',
        'stream',
        '--',
        native.upstream,
        'stdio',
      ],
      { name: 'mcp-proxy', cpu },
    );
    await untilAnswers(`http://127.0.0.1:${port}/mcp`);
    return listening(program, port, { sessions: true });
  },
};

export const supergateway: Contender = {
  name: 'supergateway',
  does: 'npm supergateway --stateful, streamable HTTP to a process on stdio; no authentication',
  async start({ native, cpu }) {
    installPeers();
    const port = await freePort();
    const program = start(
      [
        process.execPath,
        join(PATHS.peers, 'node_modules/.bin/supergateway'),
        '--stdio',
        `${native.upstream} stdio`,
        '--outputTransport',
        'streamableHttp',
        '--stateful',
        '--logLevel',
        'none',
        '--port',
        String(port),
      ],
      { name: 'supergateway', cpu },
    );
    await untilAnswers(`http://127.0.0.1:${port}/mcp`);
    return listening(program, port, { sessions: true });
  },
};

export const sdkProxy: Contender = {
  name: 'sdk-proxy',
  does: "the official SDK's server joined to its client, streamable HTTP on both sides; no authentication",
  async start({ upstream, cpu }) {
    const port = await freePort();
    const command = [process.execPath, SDK_PROXY, String(port), String(upstream.port)];
    const program = start(command, { name: 'sdk-proxy', cpu });
    await untilAnswers(`http://127.0.0.1:${port}/mcp`);
    return listening(program, port, { sessions: true });
  },
};

/** A gateway that somebody else has started; its processor time is unknown. */
export function remote(name: string, url: URL): Contender {
  return {
    name,
    does: `started by somebody else, at ${url.origin}`,
    start: async () => ({
      pids: [],
      host: url.hostname,
      port: Number(url.port === '' ? 80 : url.port),
      path: url.pathname,
      tool: url.searchParams.get('tool') ?? 'echo',
      headers: url.username === '' ? {} : { authorization: `Bearer ${decodeURIComponent(url.username)}` },
      sessions: true,
      [Symbol.asyncDispose]: async () => undefined,
    }),
  };
}
