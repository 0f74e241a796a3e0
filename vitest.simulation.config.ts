import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/simulation/**/*.test.ts'],
    testTimeout: 600_000,
    maxWorkers: 2,
    pool: 'forks',
  },
});
