/** Gatehouse with everything on: authentication, authorization, validation of heads and bodies, routing, limits, access log. */
import { listening, type Contender } from '../contender.ts';
import { PATHS } from '../paths.ts';
import { start } from '../processes.ts';

const AGENT_ID = `bench-${'0123456789abcdef'.repeat(13)}`;
const NEIGHBOURS = 19;

/** `flags` are further arguments of `serve`. */
export function gatehouse(name: string, does: string, flags: readonly string[] = []): Contender {
  return {
    name,
    does,
    async start({ workload, upstream, cpu, nodeOptions }) {
      const { port: serverPort, tls } = upstream;
      const server = {
        type: 'http',
        url: tls === undefined ? `http://127.0.0.1:${serverPort}/mcp` : `https://localhost:${serverPort}/mcp`,
        ...(tls === undefined ? {} : { tls: { ca: tls.ca, cert: tls.cert, key: tls.key } }),
      };
      const unified = workload.endpoint === 'unified';
      const neighbours = unified ? Array.from({ length: NEIGHBOURS }, (_, index) => [`other${index}`, server]) : [];
      const config = {
        mcpServers: { bench: server, ...Object.fromEntries(neighbours) },
        gateway: { port: 3000, domain: 'localhost', agentId: AGENT_ID },
      };
      const command = [
        process.execPath,
        ...nodeOptions,
        PATHS.gatehouse,
        'serve',
        '--config-stdin',
        '--listen',
        '127.0.0.1:0',
        ...flags,
      ];
      const options = { name: `${name}-${workload.name}`, cpu, input: JSON.stringify(config) };
      const program = start(command, options);
      const url = await program.line(/"url": *"[^"]*:\d+\/mcp\/bench"/);
      const port = Number(/:(\d+)\/mcp/.exec(url)?.[1]);
      return listening(program, port, {
        path: unified ? '/mcp' : '/mcp/bench',
        tool: unified ? 'bench___echo' : 'echo',
        headers: { authorization: `Bearer ${AGENT_ID}` },
        sessions: true,
      });
    },
  };
}
