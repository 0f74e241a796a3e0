// kill -9 of the loader, of the master and of a datanode in a load.

import { SEED } from '../support/faults.ts';
import { loadCrash } from '../support/load-crash.ts';

loadCrash({ rows: 100_000, kills: 2, chunkSize: '64KiB', seed: SEED });
