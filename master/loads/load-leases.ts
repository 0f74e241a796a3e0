// Leases of loads: the time of each load's last report, with its numbers, in memory. A master that
// has just started gives every running load a full lease.

import type { Clock } from '../../base/clock.ts';
import type { ReportProgressRequest } from '../../proto/gen/stele/v1/load.ts';
import type { Liveness } from '../catalog/load-transitions.ts';
import type { LoadProgressRecord } from '../catalog/records.ts';

/** Interval of a loader's reports. */
export const PROGRESS_INTERVAL_MS = 1_000;
/** Time without a report after which another load may take the keyspace. */
export const LEASE_MS = 10 * PROGRESS_INTERVAL_MS;

interface Lease {
  readonly lastSignMs: number;
  readonly progress: ReportProgressRequest | undefined;
}

export class LoadLeases {
  readonly #clock: Clock;
  readonly #leases = new Map<string, Lease>();

  constructor(clock: Clock, runningLoadIds: readonly string[]) {
    this.#clock = clock;
    for (const id of runningLoadIds) this.renew(id);
  }

  renew(loadId: string, progress?: ReportProgressRequest): void {
    const before = this.#leases.get(loadId)?.progress;
    this.#leases.set(loadId, { lastSignMs: this.#clock(), progress: progress ?? before });
  }

  end(loadId: string): void {
    this.#leases.delete(loadId);
  }

  /** Forgets all other loads: loads also end through changes of their keyspace. */
  keepOnly(loadIds: ReadonlySet<string>): void {
    for (const id of this.#leases.keys()) if (!loadIds.has(id)) this.#leases.delete(id);
  }

  livenessOf(loadId: string): Liveness {
    return {
      mayReplace: this.silentMs(loadId) >= LEASE_MS,
      progress: this.progressOf(loadId),
      text: this.#describe(loadId),
    };
  }

  /** Milliseconds since its last report; Infinity for a load that is not known here. */
  silentMs(loadId: string): number {
    const lease = this.#leases.get(loadId);
    return lease === undefined ? Number.POSITIVE_INFINITY : this.#clock() - lease.lastSignMs;
  }

  /** The numbers it last reported; undefined before its first report to this master. */
  progressOf(loadId: string): LoadProgressRecord | undefined {
    const progress = this.#leases.get(loadId)?.progress;
    if (progress === undefined) return undefined;
    const { bytesDone, bytesTotal, rejected, rows, shardsDone, shardsTotal } = progress;
    return { rows, rejected, bytesDone, bytesTotal, shardsDone, shardsTotal };
  }

  stageOf(loadId: string): string {
    return this.#leases.get(loadId)?.progress?.stage ?? '';
  }

  /** Progress of the load, for people. */
  #describe(loadId: string): string {
    const progress = this.#leases.get(loadId)?.progress;
    if (progress === undefined) return 'just begun';
    const { bytesDone, bytesTotal, rows, shardsDone, shardsTotal, stage } = progress;
    const percent =
      bytesTotal > 0 ? `, ${Math.floor((100 * bytesDone) / bytesTotal)}% of its bytes read` : '';
    const shards = shardsTotal > 0 ? `, ${shardsDone} of ${shardsTotal} shards sent` : '';
    return `${stage || 'running'}: ${rows} rows${percent}${shards}`;
  }
}
