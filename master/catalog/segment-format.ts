// Chooses the format of new segments. A datanode reports at registration the newest format it
// reads, a loader the newest one it writes. A format is used as soon as all of them support it.
// From then on, a datanode that cannot read it is refused.

import { SteleError } from '../../base/errors.ts';
import type { CatalogState, Transition } from './catalog.ts';
import { clusterOf } from './queries.ts';
import type { NodeRecord } from './records.ts';

const FIRST_FORMAT = 1;

/** The newest format that segments of this cluster may have. */
export function segmentFormatOf(state: CatalogState): number {
  return clusterOf(state).segmentFormat ?? FIRST_FORMAT;
}

/**
 * Chooses the segment format for a load whose loader writes formats up to `newest`. Result: the
 * newest format that the loader writes and every registered datanode reads.
 */
export function chooseSegmentFormat(state: CatalogState, newest: number): Transition<number> {
  const used = segmentFormatOf(state);
  const read = Array.from(state.node.values(), formatReadBy);
  const format = Math.min(newest, ...(read.length === 0 ? [used] : read));
  if (format <= used) return { changes: [], result: format };
  const record = { ...clusterOf(state), segmentFormat: format };
  return { changes: [{ table: 'cluster', id: '', record }], result: format };
}

/** Throws UNKNOWN_FORMAT if `node` cannot read existing segments. */
export function requireReader(state: CatalogState, node: Omit<NodeRecord, 'drain'>): void {
  const used = segmentFormatOf(state);
  if (formatReadBy(node) >= used) return;
  throw new SteleError(
    'UNKNOWN_FORMAT',
    `Datanode ${node.id} reads segments up to format ${formatReadBy(node)}, and this cluster has segments of format ${used}; start a newer Stele there.`,
  );
}

function formatReadBy({ segmentFormat = FIRST_FORMAT }: Pick<NodeRecord, 'segmentFormat'>): number {
  return segmentFormat;
}
