import { defineConfig } from 'vitest/config';

const shared = { testTimeout: 60_000, hookTimeout: 120_000 };

export default defineConfig({
  test: {
    globalSetup: ['test/rig/global-setup.ts'],
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
          name: 'conformance',
          // The suite gives some answers one second: it has the machine for itself.
          include: ['test/conformance/**/*.test.ts'],
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
