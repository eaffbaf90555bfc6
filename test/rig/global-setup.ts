/** Runs once before all test files: makes sure of a Docker engine. One that it starts stays: other runs may be using it by the time this one ends. */
import type { TestProject } from 'vitest/node';
import { ensureDocker } from '../../scripts/setup/docker-engine.ts';

export default async function setup(project: TestProject): Promise<void> {
  const engine = await ensureDocker({ stays: true });
  if ('reason' in engine) {
    project.provide('dockerMissing', engine.reason);
    process.stderr.write(`Tests with containers are left out: ${engine.reason}.\n`);
    return;
  }
  project.provide('dockerMissing', '');
  if (engine.startedHere) process.stderr.write('No Docker engine was running: dockerd was started, and stays.\n');
}
