import { defineConfig } from 'vitest/config';

/** Of a run that somebody repeats, or makes longer. */
const SEEDS = Number(process.env['STELE_SIMULATION_SEEDS'] ?? 0);
const SEED_MS_MAX = 10_000;

export default defineConfig({
  test: {
    // Suites of a CI run transform the same files, which costs each of them 20 s.
    experimental: { fsModuleCache: process.env['CI'] === 'true' },
    include: ['test/simulation/**/*.test.ts'],
    testTimeout: Math.max(600_000, SEEDS * SEED_MS_MAX),
    maxWorkers: 2,
    pool: 'forks',
  },
});
