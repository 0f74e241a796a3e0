// kill -9 of a datanode under readers: no read fails, the cluster heals, the node comes back.

import { SEED, SHORT } from '../../support/faults/faults.ts';
import { nodeLoss } from '../../support/faults/node-loss.ts';

nodeLoss({ rows: 200_000, readsPerPhase: SHORT ? 1000 : 10_000, restMs: 0, seed: SEED });
