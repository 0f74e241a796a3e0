// kill -9 of a datanode under readers: nobody notices, the cluster heals, the node comes back.

import { nodeLoss } from '../support/node-loss.ts';

nodeLoss({ rows: 20_000, readsPerPhase: 300, seed: 1 });
