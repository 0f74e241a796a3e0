// The large form of test/e2e/load-crash.test.ts; STELE_FAULTS=short makes it smaller.

import { loadCrash } from '../support/load-crash.ts';

const short = process.env['STELE_FAULTS'] === 'short';
const seed = Number(process.env['STELE_TEST_SEED'] ?? Date.now() % 1_000_000);

loadCrash(
  short
    ? { rows: 200_000, kills: 3, chunkSize: '128KiB', seed }
    : { rows: 1_000_000, kills: 5, chunkSize: '512KiB', seed },
);
