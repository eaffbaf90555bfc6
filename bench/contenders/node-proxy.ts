/** A proxy on node:http and undici that does nothing else: what the usual way costs before any gateway work. */
import { fileURLToPath } from 'node:url';
import { IGNORED_CREDENTIAL, listening, type Contender } from '../contender.ts';
import { plainProgram } from '../machine/built-program.ts';
import { pinned } from '../machine/pinning.ts';
import { freePort, start, untilAnswers } from '../machine/processes.ts';

const PROGRAM = fileURLToPath(new URL('node-proxy-program.ts', import.meta.url));

export const nodeProxy: Contender = {
  name: 'node-proxy',
  does: 'node:http and undici dispatch; looks at nothing, logs nothing',
  async start({ upstream, cpu, pinning, label }) {
    const port = await freePort();
    const command = [process.execPath, plainProgram(PROGRAM), String(port), String(upstream.port)];
    const program = start(command, { name: label, pinned: pinned(cpu, pinning) });
    await untilAnswers(`http://127.0.0.1:${port}/`);
    return listening(program, port, { headers: IGNORED_CREDENTIAL });
  },
};
