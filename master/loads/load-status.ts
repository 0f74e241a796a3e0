// The status of a load: its record, and for a running one the numbers of its last report.

import { SteleError } from '../../base/errors.ts';
import { LoadMode, LoadState } from '../../proto/gen/stele/v1/load.ts';
import type { LoadStatus } from '../../proto/gen/stele/v1/load.ts';
import type { CatalogState } from '../catalog/catalog.ts';
import { findKeyspace, requireKeyspace } from '../catalog/queries.ts';
import type { KeyspaceRecord, LoadRecord } from '../catalog/records.ts';
import { wasThere } from './event-report.ts';
import { LEASE_MS } from './load-leases.ts';
import type { LoadLeases } from './load-leases.ts';

const STATES: Readonly<Record<LoadRecord['state'], LoadState>> = {
  RUNNING: LoadState.RUNNING,
  COMMITTED: LoadState.COMMITTED,
  REJECTED: LoadState.REJECTED,
  FAILED: LoadState.FAILED,
  CANCELLED: LoadState.CANCELLED,
  ABANDONED: LoadState.ABANDONED,
};
const NO_PROGRESS = {
  rows: 0,
  rejected: 0,
  bytesDone: 0,
  bytesTotal: 0,
  shardsDone: 0,
  shardsTotal: 0,
};

export function describeLoad(
  state: CatalogState,
  load: LoadRecord,
  leases: LoadLeases,
): LoadStatus {
  const isOpen = load.state === 'RUNNING';
  const silentMs = isOpen ? Math.round(leases.silentMs(load.id)) : 0;
  const isInterrupted = load.interruptedAt !== undefined || silentMs >= LEASE_MS;
  const isRunning = isOpen && !isInterrupted;
  const live = isOpen ? leases.progressOf(load.id) : undefined;
  const progress = live ?? load.progress ?? NO_PROGRESS;
  return {
    ...progress,
    loadId: load.id,
    keyspace: state.keyspace.get(load.keyspaceUid)?.name ?? '',
    // Release 0.1.0 had a separate state for everything that ended without a version.
    state:
      isOpen && isInterrupted ? LoadState.INTERRUPTED : (STATES[load.state] ?? LoadState.FAILED),
    mode: load.mode === 'APPEND' ? LoadMode.APPEND : LoadMode.REPLACE,
    source: load.source,
    input: load.input ?? '',
    owner: load.owner === undefined ? undefined : { ...load.owner },
    stage: isRunning ? leases.stageOf(load.id) : '',
    version: load.version ?? 0,
    records: load.records ?? 0,
    digest: Buffer.from(load.digest ?? '', 'hex'),
    startedAt: load.startedAt,
    endedAt: load.endedAt ?? '',
    reason: load.reason ?? (isOpen && isInterrupted ? 'its loader is silent' : ''),
    silentMs,
  };
}

/**
 * The keyspace whose loads are listed, including one without any version: its loads tell why.
 * Throws KEYSPACE_NOT_FOUND; for a dropped one the message says that its loads were removed with
 * it.
 */
export function keyspaceOfLoads(state: CatalogState, name: string): KeyspaceRecord {
  const known = findKeyspace(state, name);
  if (known !== undefined) return known;
  if (!wasThere(state, name)) return requireKeyspace(state, name);
  throw new SteleError(
    'KEYSPACE_NOT_FOUND',
    `There is no keyspace '${name}' any more, and the records of its loads went with it; \`stele events ${name}\` has what is known of them.`,
  );
}

/** Sort order: running loads first, then by start time. */
export function newestFirst(left: LoadRecord, right: LoadRecord): number {
  const order = Number(right.state === 'RUNNING') - Number(left.state === 'RUNNING');
  if (order !== 0) return order;
  return left.startedAt < right.startedAt ? 1 : left.startedAt > right.startedAt ? -1 : 0;
}
