// The large form of test/e2e/node-loss.test.ts.

import { SEED, SHORT } from '../support/faults.ts';
import { nodeLoss } from '../support/node-loss.ts';

nodeLoss({ rows: 200_000, readsPerPhase: SHORT ? 1000 : 10_000, seed: SEED });
