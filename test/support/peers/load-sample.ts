// A running load and a gate, as the operations describe them.

import { LoadMode, LoadState } from '../../../proto/gen/stele/v1/load.ts';
import type { LoadGate, LoadStatus } from '../../../proto/gen/stele/v1/load.ts';

export const LOAD: LoadStatus = {
  loadId: '00112233445566ff',
  keyspace: 'default',
  state: LoadState.RUNNING,
  mode: LoadMode.REPLACE,
  source: 'a.csv',
  input: '',
  owner: { host: 'here', pid: 7, user: 'me' },
  stage: 'parse',
  rows: 10,
  rejected: 1,
  bytesDone: 100,
  bytesTotal: 200,
  shardsDone: 0,
  shardsTotal: 16,
  version: 0,
  records: 0,
  digest: Buffer.alloc(0),
  startedAt: '2026-01-01T00:00:00.000Z',
  endedAt: '',
  reason: '',
  silentMs: 12,
};

export const GATE: LoadGate = {
  expectRows: 4,
  expectTolerance: 0.5,
  minRows: undefined,
  maxShrink: 0.2,
  requireKeys: [{ key: Buffer.from('k'), value: undefined }],
};
