/** The configuration of a container server that a test never starts. */
import { DEFAULT_HEALTH } from '../../../src/config/health.ts';
import type { ContainerServerConfig } from '../../../src/config/config.ts';
import { registrationOfFile } from '../../../src/config/registration.ts';

export const shellServerConfig: ContainerServerConfig = {
  kind: 'container',
  name: 'hung',
  registration: registrationOfFile('hung', 'test.toml'),
  tools: undefined,
  start: 'boot',
  health: DEFAULT_HEALTH,
  startupTimeoutMs: 30_000,
  toolTimeoutMs: 60_000,
  registry: undefined,
  customType: undefined,
  isolation: 'auto',
  container: {
    image: 'never/started',
    entrypoint: undefined,
    args: [],
    env: {},
    mounts: [],
    network: 'none',
    workdir: undefined,
    user: undefined,
    readOnly: false,
    capabilities: [],
    resources: { memory: 64 * 1024 * 1024, cpus: 1, pids: 64, openFiles: 256 },
  },
};
