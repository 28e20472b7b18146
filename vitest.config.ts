// Test runner settings: every test file in its own process, so that a crash of native code fails its file only.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/helpers/build.ts'],
    reporters: ['default', './test/helpers/reporter.ts'],
    pool: 'forks',
    // All cores: files mostly wait for processes that start, and there is nothing else to be responsive for.
    maxWorkers: '100%',
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Nothing asks the real Hub, or knows who runs the tests: a test of the Hub names its own server.
    env: { HF_HUB_OFFLINE: '1', HF_HUB_DISABLE_IMPLICIT_TOKEN: '1' },
  },
});
