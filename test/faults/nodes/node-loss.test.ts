// kill -9 of a datanode under readers: no read fails, the cluster heals, the node comes back.

import { SEED, SHORT } from '../../support/faults/faults.ts';
import { nodeLoss } from '../../support/faults/node-loss.ts';

nodeLoss({
  ...(SHORT ? { rows: 50_000, readsPerPhase: 600 } : { rows: 200_000, readsPerPhase: 10_000 }),
  restMs: 0,
  seed: SEED,
});
