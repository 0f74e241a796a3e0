// A difference of two versions as a cluster tells it.

import type { DiffVersionsResponse } from '../../../proto/gen/stele/v1/cluster.ts';
import { DiffKind } from '../../../proto/gen/stele/v1/diff.ts';

export const DIFF: DiffVersionsResponse = {
  from: 1,
  to: 2,
  counts: { added: 1, removed: 2, changed: 3 },
  samples: [
    {
      kind: DiffKind.ADDED,
      key: Buffer.from('k'),
      from: undefined,
      // The beginning of a long value, and no UTF-8.
      to: { bytes: Buffer.from([0xff, 0x61]), byteLength: 999 },
    },
  ],
  shardsCompared: 4,
  shardsTotal: 16,
};
