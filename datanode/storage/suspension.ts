// Suspended keyspaces: their segments stay on disk, their memory is freed, and reads of them are
// refused.
//
//   view: suspended             --> mark the folder, park (memory is freed at once)
//   view: resuming, or neither  --> read and verify each file again, hold it; remove the mark
//
// While a keyspace resumes, this node still refuses reads: only the master knows when all segments
// are back.
//
// The mark, an empty file in the keyspace's folder, is for the next start: segments of a marked
// keyspace are verified like all others and not held. The mark decides nothing; the view does.
//
// Invariants: parked segments are listed among the holdings and can be fetched by other datanodes;
// at most one resume of a keyspace runs at a time; a file that turns out bad when it is read again
// is quarantined and no longer listed, so that it is fetched from another datanode.

import type { BackgroundTasks } from '../../base/background.ts';
import type { Env } from '../../base/env.ts';
import { toSteleError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Parked } from '../../proto/gen/stele/v1/datanode.ts';
import type { ClusterView } from '../../proto/gen/stele/v1/view.ts';
import type { Holdings } from './holdings.ts';
import type { MemoryBudget } from './memory-budget.ts';
import { isDamage, readSegmentFile } from './segment-files.ts';
import type { DiskStore } from './store.ts';
import type { Verifier } from './verifier.ts';

export interface SuspensionOptions {
  readonly holdings: Holdings;
  readonly store: DiskStore;
  readonly verifier: Verifier;
  readonly memory: MemoryBudget;
  readonly background: BackgroundTasks;
  readonly log: Logger;
  readonly env: Pick<Env, 'nowMs'>;
}

export class Suspension {
  readonly #options: SuspensionOptions;
  readonly #resuming = new Set<string>();
  /** Why the last resume of a keyspace failed, by uid. */
  readonly #failures = new Map<string, string>();
  #closed = false;

  constructor(options: SuspensionOptions) {
    this.#options = options;
  }

  /**
   * Reads the marks. Must run before the startup verification, which parks segments of marked
   * keyspaces.
   */
  async open(): Promise<void> {
    const { holdings, store } = this.#options;
    for (const uid of await store.suspendedKeyspaces()) holdings.park(uid);
  }

  /** Parks the keyspaces that the view suspends, and brings back the others. */
  apply(view: ClusterView): void {
    const { background, holdings } = this.#options;
    for (const { resuming = false, suspended = false, uid } of view.keyspaces) {
      if (suspended && !resuming) {
        this.#failures.delete(uid);
        if (!holdings.isParking(uid)) this.#park(uid);
      } else if (holdings.isParking(uid) || holdings.parkedOf(uid).length > 0) {
        if (this.#resuming.has(uid)) continue;
        this.#resuming.add(uid);
        background.run('resume keyspace', () => this.#resume(uid));
      }
    }
  }

  /** Parked keyspaces and failed resumes, for the heartbeat. */
  report(): Parked | undefined {
    const keyspaceUids = this.#options.holdings.parkedKeyspaces();
    if (keyspaceUids.length === 0) return undefined;
    const failures = [...this.#failures].map(([keyspaceUid, reason]) => ({ keyspaceUid, reason }));
    return { keyspaceUids, failures };
  }

  close(): void {
    this.#closed = true;
  }

  #park(uid: string): void {
    const { background, holdings, log, memory, store } = this.#options;
    const before = holdings.segmentBytes;
    holdings.park(uid);
    // Returns the memory to the system, for other processes.
    memory.collect();
    log.info({ keyspace: uid, bytes: before - holdings.segmentBytes }, 'a keyspace is suspended');
    background.run('mark suspended', () => store.markSuspended(uid, true));
  }

  async #resume(uid: string): Promise<void> {
    const { env, holdings, log, store } = this.#options;
    const startMs = env.nowMs();
    holdings.unpark(uid);
    try {
      await store.markSuspended(uid, false);
      for (const { byteLength, segmentId } of holdings.parkedOf(uid)) {
        if (this.#closed || holdings.isParking(uid)) return;
        await this.#restore(uid, segmentId, byteLength);
      }
      this.#failures.delete(uid);
      const tookMs = Math.round(env.nowMs() - startMs);
      log.info({ keyspace: uid, tookMs }, 'a keyspace is in memory again');
    } catch (thrown) {
      const { code, message } = toSteleError(thrown, 'IO');
      this.#failures.set(uid, message);
      log.error(
        { keyspace: uid, code, err: message },
        'a keyspace could not be read back into memory',
      );
    } finally {
      this.#resuming.delete(uid);
    }
  }

  async #restore(uid: string, segmentId: string, byteLength: number): Promise<void> {
    const { holdings, memory, store, verifier } = this.#options;
    const release = memory.reserve(byteLength);
    const file = store.fileOf(uid, segmentId);
    try {
      const bytes = await readSegmentFile(file.path, store.files);
      holdings.restore(uid, segmentId, await verifier.verify(bytes, file));
    } catch (thrown) {
      // It was dropped while it was being read.
      if (!holdings.has(uid, segmentId)) return;
      if (!isDamage(thrown)) throw thrown;
      holdings.remove(uid, segmentId);
      await store.quarantine(file);
    } finally {
      release();
    }
  }
}
