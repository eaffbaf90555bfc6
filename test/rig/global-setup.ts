/** Runs once before all test files: makes sure of a Docker engine, and stops it afterwards if it was started here. */
import type { TestProject } from 'vitest/node';
import { ensureDocker } from '../../scripts/setup/docker-engine.ts';

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const engine = await ensureDocker();
  if ('reason' in engine) {
    project.provide('dockerMissing', engine.reason);
    process.stderr.write(`Tests with containers are left out: ${engine.reason}.\n`);
    return async () => {};
  }
  project.provide('dockerMissing', '');
  return async () => engine[Symbol.asyncDispose]();
}
