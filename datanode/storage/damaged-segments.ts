// Held segments that turn out to be damaged on disk: out of service at once, their files to the
// quarantine. The master then sees them missing, and has them copied from another datanode.

import type { BackgroundTasks } from '../../base/background.ts';
import { toSteleError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { shardNamedBy } from '../../base/segment-name.ts';
import type { HeldSegment } from '../../proto/gen/stele/v1/datanode.ts';
import type { Holdings, ReadableSegment } from './holdings.ts';
import type { DiskStore } from './store.ts';

export interface DamagedSegmentsOptions {
  readonly holdings: Holdings;
  readonly store: DiskStore;
  readonly background: BackgroundTasks;
  readonly log: Logger;
}

export class DamagedSegments {
  readonly #options: DamagedSegmentsOptions;
  #total = 0;

  constructor(options: DamagedSegmentsOptions) {
    this.#options = options;
  }

  /** Segments taken out of service since the start. */
  get total(): number {
    return this.#total;
  }

  /** Like `remove`, if the segment that was read is still the one that is held. */
  removeRead(segment: ReadableSegment, thrown: unknown): void {
    const { id: segmentId, keyspaceUid } = segment.meta;
    if (this.#options.holdings.readable(keyspaceUid, segmentId) !== segment) return;
    this.remove({ keyspaceUid, segmentId }, thrown);
  }

  /** Takes a segment out of service; `thrown` says what is wrong with its file. */
  remove({ keyspaceUid, segmentId }: HeldSegment, thrown: unknown): void {
    const { background, holdings, log, store } = this.#options;
    if (!holdings.remove(keyspaceUid, segmentId)) return;
    this.#total++;
    const about = { keyspace: keyspaceUid, shard: shardNamedBy(segmentId), segment: segmentId };
    const err = toSteleError(thrown, 'IO').message;
    const text = 'a bad copy was found on disk; it is fetched again from another datanode';
    log.error({ ...about, err }, text);
    background.run('quarantine', () => store.quarantine(store.fileOf(keyspaceUid, segmentId)));
  }
}
