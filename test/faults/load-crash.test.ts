// kill -9 of the loader, of the master and of a datanode in a load.

import { SEED, SHORT } from '../support/faults.ts';
import { loadCrash } from '../support/load-crash.ts';

loadCrash(
  SHORT
    ? { rows: 200_000, kills: 3, chunkSize: '128KiB', seed: SEED }
    : { rows: 1_000_000, kills: 5, chunkSize: '512KiB', seed: SEED },
);
