// kill -9 of the loader, of the master and of a datanode during a load.

import { SEED, SHORT } from '../../support/faults/faults.ts';
import { loadCrash } from '../../support/faults/load-crash.ts';

loadCrash(
  SHORT
    ? { rows: 200_000, kills: 2, chunkSize: '128KiB', seed: SEED }
    : { rows: 1_000_000, kills: 5, chunkSize: '512KiB', seed: SEED },
);
