// What a datanode reports of itself with each heartbeat: its start, its memory and disk, and what it is
// moving.

import type { DiskTrouble, HeartbeatResponse } from '../proto/gen/stele/v1/datanode.ts';
import { NodeState } from '../proto/gen/stele/v1/view.ts';
import type { NodeIdentity } from './identity.ts';
import type { Scrubber } from './maintenance/scrubber.ts';
import { LookupRate } from './read-stats/read-counters.ts';
import type { ReadCounters } from './read-stats/read-counters.ts';
import type { SegmentStorage } from './storage/segment-storage.ts';
import type { DiskStore } from './storage/store.ts';
import type { SegmentOrders } from './transfer/segment-orders.ts';

export interface ReportParts {
  readonly identity: NodeIdentity;
  readonly store: DiskStore;
  readonly storage: SegmentStorage;
  readonly scrubber: Scrubber;
  readonly segmentOrders: SegmentOrders;
  readonly counters: ReadCounters;
  readonly memoryMaxBytes: number;
}

type Reported =
  | 'state'
  | 'verifyBytesDone'
  | 'verifyBytesTotal'
  | 'holdingsRevision'
  | 'stats'
  | 'tierMoves'
  | 'parked'
  | 'warming'
  | 'diskTrouble';

export class NodeReport {
  readonly #parts: ReportParts;
  readonly #lookupRate: LookupRate;

  constructor(parts: ReportParts, nowMs: number) {
    this.#parts = parts;
    this.#lookupRate = new LookupRate(() => parts.counters.lookups, nowMs);
  }

  get state(): NodeState {
    const { startup } = this.#parts.storage;
    return startup.done ? NodeState.SERVING : NodeState.INITIALIZING;
  }

  get quarantinedTotal(): number {
    const { scrubber, storage } = this.#parts;
    return storage.quarantinedTotal + scrubber.stats.quarantined;
  }

  /**
   * The disk's trouble, if any. A node that cannot save whom it obeys accepts no segments, because
   * its promises would not survive a restart.
   */
  diskTrouble(nowMs: number): DiskTrouble | undefined {
    const { identity, store } = this.#parts;
    const trouble = store.trouble(nowMs);
    const { saveError } = identity;
    if (saveError === '') return trouble;
    return { full: trouble?.full ?? false, writeError: trouble?.writeError || saveError };
  }

  /** What a heartbeat says beside names and what the node obeys. */
  heartbeat(nowMs: number): Pick<HeartbeatResponse, Reported> {
    const { counters, memoryMaxBytes, segmentOrders, storage, store } = this.#parts;
    const { holdings, memory, startup, tiers } = storage;
    const diskTrouble = this.diskTrouble(nowMs);
    const parked = tiers.report();
    const warming = tiers.warming();
    const { cache: cacheBytes, indexes: indexBytes } = memory.inUse;
    return {
      state: this.state,
      verifyBytesDone: startup.bytesDone,
      verifyBytesTotal: startup.bytesTotal,
      holdingsRevision: holdings.revision,
      stats: {
        segmentBytes: holdings.segmentBytes,
        indexBytes,
        cacheBytes,
        accountedBytes: memory.accountedBytes,
        memoryLimitBytes: memoryMaxBytes,
        residentBytes: process.memoryUsage.rss(),
        diskFreeBytes: store.freeBytes,
        diskTierBytes: holdings.diskBytes,
        lookupsTotal: counters.lookups,
        lookupsPerSecond: this.#lookupRate.perSecond(nowMs),
        quarantinedTotal: this.quarantinedTotal,
        copiesRunning: segmentOrders.copiesRunning,
      },
      tierMoves: tiers.moves(),
      ...(parked === undefined ? {} : { parked }),
      ...(warming === undefined ? {} : { warming }),
      ...(diskTrouble === undefined ? {} : { diskTrouble }),
    };
  }
}
