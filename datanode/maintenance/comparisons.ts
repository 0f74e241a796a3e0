// Answers questions that read many records: what deltas change, how two versions differ. The work
// runs in worker threads, on the segments that are being served, in memory or on disk.

import { SteleError } from '../../base/errors.ts';
import { DIFF_SAMPLES_MAX } from '../../base/limits.ts';
import { DiffKind } from '../../proto/gen/stele/v1/diff.ts';
import type { DiffSample, DiffValue } from '../../proto/gen/stele/v1/diff.ts';
import type {
  DeltaMeasure,
  DeltaRef,
  DiffShardsRequest,
  DiffShardsResponse,
  MeasureDeltasRequest,
  MeasureDeltasResponse,
  ShardDiff,
} from '../../proto/gen/stele/v1/datanode.ts';
import type { ChangeKind, DiffSample as SegmentSample, SampleValue } from '../../segment/diff.ts';
import type { Holdings, ReadableSegment } from '../storage/holdings.ts';
import type { SegmentWork } from './segment-work.ts';
import { segmentsOf } from '../storage/version-tables.ts';
import type { VersionTables } from '../storage/version-tables.ts';

/**
 * Calls of one kind at a time; each has one task in the threads. The limits are separate, so that
 * users' diffs cannot delay commits.
 */
const CALLS_MAX = 16;

const KINDS: Readonly<Record<ChangeKind, DiffKind>> = {
  added: DiffKind.ADDED,
  removed: DiffKind.REMOVED,
  changed: DiffKind.CHANGED,
};

export class Comparisons {
  readonly #holdings: Holdings;
  readonly #tables: VersionTables;
  readonly #work: SegmentWork;
  readonly #calls = { measure: 0, diff: 0 };

  constructor(holdings: Holdings, tables: VersionTables, work: SegmentWork) {
    this.#holdings = holdings;
    this.#tables = tables;
    this.#work = work;
  }

  /** Throws OVERLOADED, CANCELLED, CORRUPT. */
  measure(request: MeasureDeltasRequest, signal?: AbortSignal): Promise<MeasureDeltasResponse> {
    return this.#counted('measure', async () => {
      const measures: DeltaMeasure[] = [];
      for (const delta of request.deltas) {
        measures.push(await this.#measureOne(request.keyspaceUid, delta, signal));
      }
      return { measures };
    });
  }

  async #measureOne(uid: string, ref: DeltaRef, signal?: AbortSignal): Promise<DeltaMeasure> {
    const { olderIds, segmentId } = ref;
    const delta = this.#holdings.readable(uid, segmentId);
    const older = olderIds.flatMap((id) => this.#holdings.readable(uid, id) ?? []);
    if (delta === undefined || older.length < olderIds.length) {
      const nothing = { added: 0, replaced: 0, unchanged: 0, overwritten: undefined };
      return { segmentId, held: false, ...nothing };
    }
    const found = await this.#work.measure(delta, older, signal);
    const { added, overwritten, replaced, unchanged } = found;
    const totals = { ...overwritten, digest: Buffer.from(overwritten.digest) };
    return { segmentId, held: true, added, replaced, unchanged, overwritten: totals };
  }

  /** Throws UNAVAILABLE if a shard is not held in both versions; OVERLOADED, CANCELLED, CORRUPT. */
  diff(request: DiffShardsRequest, signal?: AbortSignal): Promise<DiffShardsResponse> {
    const samplesMax = Math.min(request.samplesMax, DIFF_SAMPLES_MAX);
    return this.#counted('diff', async () => {
      const diffs: ShardDiff[] = [];
      for (const shard of request.shards) {
        const from = this.#segmentsOf(request.keyspaceUid, request.fromVersion, shard);
        const to = this.#segmentsOf(request.keyspaceUid, request.toVersion, shard);
        const found = await this.#work.diff(from, to, samplesMax, signal);
        const { added, changed, removed, samples } = found;
        diffs.push({ shard, counts: { added, changed, removed }, samples: samples.map(sample) });
      }
      return { diffs };
    });
  }

  #segmentsOf(uid: string, version: number, shard: number): readonly ReadableSegment[] {
    const table = this.#tables.get(uid, version);
    const segments = table && segmentsOf(table, shard);
    if (segments !== undefined) return segments;
    throw new SteleError('UNAVAILABLE', `Shard ${shard} of version ${version} is not held here.`);
  }

  async #counted<Result>(kind: 'measure' | 'diff', run: () => Promise<Result>): Promise<Result> {
    if (this.#calls[kind] >= CALLS_MAX) {
      throw new SteleError(
        'OVERLOADED',
        `${CALLS_MAX} comparisons are already running; try again later.`,
      );
    }
    this.#calls[kind]++;
    try {
      return await run();
    } finally {
      this.#calls[kind]--;
    }
  }
}

/** Converts the plain arrays that come from a thread to Buffers. */
function sample({ from, key, kind, to }: SegmentSample): DiffSample {
  return { kind: KINDS[kind], key: Buffer.from(key), from: value(from), to: value(to) };
}

function value(from: SampleValue | undefined): DiffValue | undefined {
  return from && { bytes: Buffer.from(from.bytes), byteLength: from.byteLength };
}
