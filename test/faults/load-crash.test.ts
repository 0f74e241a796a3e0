// The large form of test/e2e/load-crash.test.ts.

import { SEED, SHORT } from '../support/faults.ts';
import { loadCrash } from '../support/load-crash.ts';

loadCrash(
  SHORT
    ? { rows: 200_000, kills: 3, chunkSize: '128KiB', seed: SEED }
    : { rows: 1_000_000, kills: 5, chunkSize: '512KiB', seed: SEED },
);
