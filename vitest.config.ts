import { defineConfig } from 'vitest/config';

/**
 * Tests of pure functions: no sockets, no timers, no state of a process. They share a process, whose start
 * and whose loading of modules costs more than most of them.
 */
const PURE = ['ring', 'segment', 'master/core', 'master/catalog'].map(
  (folder) => `test/${folder}/**/*.test.ts`,
);

export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Two cores: more workers than that only make the end-to-end tests wait for each other.
    maxWorkers: 2,
    pool: 'forks',
    projects: [
      {
        extends: true,
        test: {
          name: 'processes',
          include: ['test/**/*.test.ts'],
          exclude: ['test/faults/**', 'test/simulation/seeds/**', '**/node_modules/**', ...PURE],
        },
      },
      { extends: true, test: { name: 'pure', include: PURE, isolate: false } },
    ],
  },
});
