// Pure transition for merged deltas. In every kept version whose chain of a shard begins with
// exactly the merged segments, the merge result replaces them.
//
//     version 7   [b0 d1 d2 d3 d4 d5]       -> [m]
//     version 8   [b0 d1 d2 d3 d4 d5 d6]    -> [m d6]        (appended while the merge ran)
//     version 6   [b0 d1 d2 d3 d4]          unchanged
//
// Invariants: the content of a version stays the same, which is checked by counts and digest; its
// number, counts and digest do not change; the manifest's revision rises, so that datanodes adopt
// the newer one.

import type { SegmentId } from '../../base/segment-name.ts';
import type { KeyspaceUid } from '../../base/ids.ts';
import type { CatalogState, Change, Transition } from './catalog.ts';
import { keptVersions } from './queries.ts';
import { versionId } from './records.ts';
import type { ManifestRecord, SegmentRecord, VersionRecord } from './records.ts';
import { chainTotals, isSameTotals } from './totals.ts';

/** Segments of one shard, oldest first, and the segment they were merged to. */
export interface MergedChain {
  readonly ids: readonly SegmentId[];
  readonly segment: SegmentRecord;
}

/** Result: the numbers of the versions that were changed. */
export function replaceMerged(
  state: CatalogState,
  uid: KeyspaceUid,
  merged: readonly MergedChain[],
): Transition<number[]> {
  const changes: Change[] = [];
  const result: number[] = [];
  for (const version of keptVersions(state, uid)) {
    const id = versionId(uid, version.number);
    const before = state.manifest.get(id);
    if (before === undefined) continue;
    const after = merged.reduce(replaceChain, before);
    if (after === before) continue;
    const manifest = { ...after, revision: (before.revision ?? 0) + 1 };
    changes.push({ table: 'manifest', id, record: manifest });
    changes.push({ table: 'version', id, record: withBytes(version, manifest) });
    result.push(version.number);
  }
  return { changes, result };
}

function withBytes(version: VersionRecord, { segments }: ManifestRecord): VersionRecord {
  return { ...version, segmentBytes: segments.reduce((sum, { fileBytes }) => sum + fileBytes, 0) };
}

/**
 * Returns the manifest itself if it does not have these segments or they do not hold the same
 * records.
 */
function replaceChain(manifest: ManifestRecord, { ids, segment }: MergedChain): ManifestRecord {
  const { segments } = manifest;
  const at = segments.findIndex(({ shard }) => shard === segment.shard);
  const isThere = ids.every((id, index) => segments[at + index]?.id === id);
  if (at < 0 || !isThere || ids.length < 2) return manifest;
  const overwritten = new Map(Object.entries(manifest.overwritten ?? {}));
  const totals = chainTotals({ segments: segments.slice(at, at + ids.length), overwritten });
  if (!isSameTotals(totals, segment)) return manifest;
  // A later delta may be identical to the merge result, and a chain must not have a segment twice.
  const isTwice = segments.some(({ id }) => id === segment.id && !ids.includes(id));
  if (isTwice) return manifest;
  const next = [...segments.slice(0, at), segment, ...segments.slice(at + ids.length)];
  for (const id of ids) overwritten.delete(id);
  const gone = new Set([...(manifest.merged ?? []), ...ids]);
  for (const { id } of next) gone.delete(id);
  return {
    ...manifest,
    segments: next,
    overwritten: Object.fromEntries(overwritten),
    merged: [...gone],
  };
}
