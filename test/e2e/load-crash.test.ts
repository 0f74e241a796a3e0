// kill -9 of the loader, and of a datanode, in a load.

import { loadCrash } from '../support/load-crash.ts';

const seed = Number(process.env['STELE_TEST_SEED'] ?? Date.now() % 1_000_000);

loadCrash({ rows: 100_000, kills: 2, chunkSize: '64KiB', seed });
