/** What `--validate-env` says of the container that the gateway itself runs in. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { checkContainer, type EnvironmentQuestion } from '../../../src/cli/serve/validate-environment.ts';
import { findEngine } from '../../../src/upstream/container/engine-command.ts';
import { dockerMissing } from '../../rig/docker.ts';
import { busyboxImage } from '../../rig/images.ts';

const execute = promisify(execFile);
const RUNTIME = { engine: 'docker', command: 'docker' } as const;
const QUESTION: EnvironmentQuestion = {
  env: { MCP_GATEWAY_PORT: '8000' },
  runtime: RUNTIME,
  fromStdin: true,
  logDir: '/logs/gateway',
};

const started: string[] = [];
afterEach(async () => {
  if (started.length > 0) await execute('docker', ['rm', '--force', ...started.splice(0)]);
});

async function start(...options: string[]): Promise<string> {
  const { stdout } = await execute('docker', ['run', '--detach', ...options, await busyboxImage(), 'sleep', '600']);
  const id = stdout.trim();
  started.push(id);
  return id;
}

describe.skipIf(dockerMissing())('the container of the gateway', () => {
  it('is fit when its port is published, its stdin open and its log directory mounted', async () => {
    const id = await start('--interactive', '--publish=127.0.0.1::8000', '--volume=/tmp:/logs');
    expect(await checkContainer(QUESTION, findEngine(RUNTIME), id)).toEqual({ errors: [], warnings: [] });
  });

  it('is refused without port and stdin; a log directory that is lost is a warning', async () => {
    const { errors, warnings } = await checkContainer(QUESTION, findEngine(RUNTIME), await start());
    expect(errors).toEqual([
      'MCP_GATEWAY_PORT (8000) is not mapped to a host port. Use: -p <host_port>:8000',
      'Container was not started with -i flag. Stdin is required for configuration input.',
    ]);
    expect(warnings).toEqual([expect.stringContaining('Log directory /logs/gateway is not mounted.')]);
  });

  it('needs no published port on the network of the host, and no stdin for a file', async () => {
    const id = await start('--network=host');
    const findings = await checkContainer(
      { ...QUESTION, fromStdin: false, logDir: undefined },
      findEngine(RUNTIME),
      id,
    );
    expect(findings).toEqual({ errors: [], warnings: [] });
  });

  it('says so when it cannot be looked up', async () => {
    const { errors, warnings } = await checkContainer(QUESTION, findEngine(RUNTIME), '0'.repeat(64));
    expect(errors).toEqual([]);
    expect(warnings).toEqual([expect.stringContaining('were not checked')]);
  });
});
