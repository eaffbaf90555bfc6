/** Gets a Docker engine by all means that are ours: a running one, an installed one, or one from the distribution. */
import { installDebianPackages } from './debian.ts';
import { dockerAnswers, ensureDocker } from './docker-engine.ts';
import type { DockerEngine, NoDocker } from './docker-engine.ts';
import { run } from './run.ts';

export async function obtainDocker(): Promise<DockerEngine | NoDocker> {
  if (!(await dockerAnswers()) && (await run('dockerd', ['--version'])).status === undefined) {
    const reason = await installDebianPackages(['docker.io']);
    if (reason !== undefined) return { reason: `no Docker engine answers and ${reason}` };
  }
  return ensureDocker();
}
