// How large the tests of faults are, and their seed.

/** STELE_FAULTS=short: a form that is quick enough for every change. */
export const SHORT = process.env['STELE_FAULTS'] === 'short';

/** STELE_TEST_SEED repeats a run; every test prints the seed it has. */
export const SEED = Number(process.env['STELE_TEST_SEED'] ?? Date.now() % 1_000_000);
