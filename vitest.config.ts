import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/**
 * Far more than anything takes: a machine that is busy with everything else makes nothing fail, and what is waited for in
 * vain fails nevertheless. `vi.waitFor` has no such setting: it is given 20 seconds where it is used.
 */
const shared = { testTimeout: 180_000, hookTimeout: 240_000, expect: { poll: { timeout: 20_000 } } };

/** For all gateways that a test starts: every request takes the way through node:http. */
const WITHOUT_FAST_PATH = { MCP_GATEWAY_FAST_PATH: 'off' };

export default defineConfig({
  test: {
    globalSetup: ['test/rig/global-setup.ts'],
    // Most tests wait for processes and containers: more of them than processors run side by side.
    maxWorkers: Math.max(4, availableParallelism()),
    projects: [
      {
        test: {
          ...shared,
          name: 'gatehouse',
          include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'scripts/**/*.test.ts'],
          exclude: ['test/conformance/**'],
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...shared,
          name: 'fast-path-off',
          // A second time: the suites in which clients post messages, except those that mostly wait for containers or servers.
          include: [
            'test/e2e/{client-requests,concurrency,federation-elicitation,http,metrics,restart-notices,resumption,routed}.test.ts',
            'test/e2e/{auth,eras,intermediary,regressions,views,websocket}/**/*.test.ts',
            'test/e2e/upstream-http/streamable-*.test.ts',
          ],
          exclude: [
            'test/e2e/auth/{api-matrix,token-commands}.test.ts',
            'test/e2e/eras/{connect,container}.test.ts',
            'test/e2e/regressions/sizes.test.ts',
            'test/e2e/views/health.test.ts',
          ],
          env: WITHOUT_FAST_PATH,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...shared,
          name: 'conformance',
          // The suite gives some answers one second: it has the machine for itself.
          include: ['test/conformance/**/*.test.ts'],
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          ...shared,
          name: 'conformance-fast-path-off',
          include: ['test/conformance/official-suite.test.ts'],
          env: WITHOUT_FAST_PATH,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
