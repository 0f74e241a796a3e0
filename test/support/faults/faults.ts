// The size of the fault tests, and their seed.

/** STELE_FAULTS=short: a form that is fast enough for every change. */
export const SHORT = process.env['STELE_FAULTS'] === 'short';

/** STELE_TEST_SEED repeats a run; every test prints its seed. */
export const SEED = Number(process.env['STELE_TEST_SEED'] ?? Date.now() % 1_000_000);
