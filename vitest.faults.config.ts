import { defineConfig } from 'vitest/config';
import { SHORT } from './test/support/faults/faults.ts';

export default defineConfig({
  test: {
    globalSetup: ['test/support/faults/fault-table-setup.ts'],
    include: ['test/faults/**/*.test.ts'],
    exclude: SHORT ? ['test/faults/nodes/large-loss.test.ts'] : [],
    testTimeout: 600_000,
    hookTimeout: 120_000,
    fileParallelism: false,
    pool: 'forks',
  },
});
