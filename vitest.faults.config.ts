import { defineConfig } from 'vitest/config';
import { SHORT } from './test/support/faults/faults.ts';

export default defineConfig({
  test: {
    // Suites of a CI run transform the same files, which costs each of them 20 s.
    experimental: { fsModuleCache: process.env['CI'] === 'true' },
    globalSetup: ['test/support/faults/fault-table-setup.ts'],
    include: ['test/faults/**/*.test.ts'],
    exclude: SHORT ? ['test/faults/nodes/large-loss.test.ts'] : [],
    testTimeout: 600_000,
    hookTimeout: 120_000,
    fileParallelism: false,
    pool: 'forks',
  },
});
