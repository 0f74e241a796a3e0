// What the master orders about segments: to fetch them, to archive them, to drop them; and what
// loads ask for, to pull them out of a store.

import type {
  ArchiveSegmentsRequest,
  ArchiveStatus,
  CopyFailure,
  CopyOrder,
  HeldSegment,
} from '../../proto/gen/stele/v1/datanode.ts';
import { Archiver } from './archiver.ts';
import type { ArchiverOptions } from './archiver.ts';
import { Copier } from './copier.ts';
import type { CopierOptions } from './copier.ts';
import { Pulls } from './pulls.ts';
import type { SegmentAnnouncement, SegmentOrigin } from '../../proto/segment-transfer.ts';
import type { PullWatch } from './segment-connection.ts';
import { ObjectStores } from './object-stores.ts';
import type { OpenObjectStore } from './object-stores.ts';

/** Files of one drop order that share a sync of their folder. */
const DROPS_AT_A_TIME = 32;

export interface SegmentOrdersOptions
  extends Omit<CopierOptions, 'stores'>, Omit<ArchiverOptions, 'stores'> {
  /** Opens the object stores that orders name. */
  readonly openObjectStore: OpenObjectStore;
}

export class SegmentOrders {
  readonly #options: SegmentOrdersOptions;
  readonly #stores: ObjectStores;
  readonly #copier: Copier;
  readonly #archiver: Archiver;
  readonly #pulls: Pulls;

  constructor(options: SegmentOrdersOptions) {
    this.#options = options;
    this.#stores = new ObjectStores(options.openObjectStore);
    this.#copier = new Copier({ ...options, stores: this.#stores });
    this.#archiver = new Archiver({ ...options, stores: this.#stores });
    this.#pulls = new Pulls({ ...options, stores: this.#stores });
  }

  /** Copies in progress. */
  get copiesRunning(): number {
    return this.#copier.running;
  }

  /** See Copier.accept. */
  copy(orders: readonly CopyOrder[], bytesPerSecondMax: number): number {
    return this.#copier.accept(orders, bytesPerSecondMax);
  }

  /** Failed copies since the last call. */
  takeFailures(): CopyFailure[] {
    return this.#copier.takeFailures();
  }

  /** See Pulls.bytesTotal. */
  get pulledBytesTotal(): number {
    return this.#pulls.bytesTotal;
  }

  /** See Pulls.pull. */
  pull(announced: SegmentAnnouncement, origin: SegmentOrigin, watch: PullWatch): Promise<void> {
    return this.#pulls.pull(announced, origin, watch);
  }

  /** See Archiver.accept. */
  archive(request: ArchiveSegmentsRequest): ArchiveStatus[] {
    return this.#archiver.accept(request);
  }

  /**
   * Drops segments unless they were added or claimed after `asOfRevision` of the holdings. Resolves
   * to how many were here.
   */
  async drop(segments: readonly HeldSegment[], asOfRevision: number): Promise<number> {
    const { holdings, store } = this.#options;
    let dropped = 0;
    const drop = async ({ keyspaceUid, segmentId }: HeldSegment): Promise<void> => {
      this.#copier.forget(keyspaceUid, segmentId);
      // A segment that is not held has no file here, or a file that this order does not mean.
      if (!holdings.remove(keyspaceUid, segmentId, asOfRevision)) return;
      await store.remove(keyspaceUid, segmentId);
      dropped++;
    };
    for (let at = 0; at < segments.length; at += DROPS_AT_A_TIME) {
      await Promise.all(segments.slice(at, at + DROPS_AT_A_TIME).map(drop));
    }
    return dropped;
  }

  close(): void {
    this.#copier.close();
    this.#archiver.close();
    this.#stores.close();
  }
}
