// kill -9 of a datanode under readers: nobody notices, the cluster heals, the node comes back.

import { SEED, SHORT } from '../support/faults.ts';
import { nodeLoss } from '../support/node-loss.ts';

nodeLoss({ rows: 200_000, readsPerPhase: SHORT ? 1000 : 10_000, restMs: 0, seed: SEED });
