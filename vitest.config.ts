import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'scripts/**/*.test.ts'],
    globalSetup: ['test/rig/global-setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
