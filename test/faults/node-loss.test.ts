// The large form of test/e2e/node-loss.test.ts; STELE_FAULTS=short makes it smaller.

import { nodeLoss } from '../support/node-loss.ts';

const short = process.env['STELE_FAULTS'] === 'short';
const seed = Number(process.env['STELE_TEST_SEED'] ?? Date.now() % 1_000_000);

nodeLoss({ rows: 200_000, readsPerPhase: short ? 1000 : 10_000, seed });
