// Which loads are alive: the time of each one's last sign of life, and its numbers, in memory. A
// master that has just started gives every running load a full lease.

import type { Clock } from '../base/clock.ts';
import type { ReportProgressRequest } from '../proto/gen/stele/v1/load.ts';

/** How often a loader reports. */
export const PROGRESS_INTERVAL_MS = 1_000;
/** Without a report for this long, another load may take the keyspace. */
const LEASE_MS = 10 * PROGRESS_INTERVAL_MS;

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

  hasEnded(loadId: string): boolean {
    return this.silentMs(loadId) >= LEASE_MS;
  }

  /** Since its last sign of life; Infinity for a load that is not known here. */
  silentMs(loadId: string): number {
    const lease = this.#leases.get(loadId);
    return lease === undefined ? Number.POSITIVE_INFINITY : this.#clock() - lease.lastSignMs;
  }

  /** How far the load is, for people. */
  describe(loadId: string): string {
    const progress = this.#leases.get(loadId)?.progress;
    if (progress === undefined) return 'just begun';
    const { stage, rows, bytesDone, bytesTotal } = progress;
    const percent =
      bytesTotal > 0 ? `, ${Math.floor((100 * bytesDone) / bytesTotal)}% of its bytes` : '';
    return `${stage || 'running'}: ${rows} rows${percent}`;
  }
}
