/** Starts the process of `owner.ts`: a gateway that can be killed. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline/promises';

export interface Owner {
  readonly instanceId: string;
  kill(): Promise<void>;
}

/** Resolves when its container runs. */
export async function startOwner(): Promise<Owner> {
  const child = spawn(process.execPath, [new URL('owner.ts', import.meta.url).pathname], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  for await (const line of createInterface(child.stdout)) {
    return {
      instanceId: line,
      async kill() {
        child.kill('SIGKILL');
        await exited;
      },
    };
  }
  throw new Error('the owner has ended before it was ready');
}
