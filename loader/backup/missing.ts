// Which segments an archive has, and which it lacks.

import { segmentObject } from '../../archive/layout.ts';
import type { GetRecordsResponse } from '../../proto/gen/stele/v1/cluster.ts';
import type { HeldSegment } from '../transfer/cluster-client.ts';
import type { Transfer } from '../transfer/open-transfer.ts';
import type { Collected } from './collect.ts';

/** By the name of the object: its bytes. */
export type PresentSegments = Map<string, number>;

export interface MissingSegment extends HeldSegment {
  readonly name: string;
  readonly keyspaceUid: string;
}

/** The segments of these keyspaces that the archive has. */
export async function presentSegments(
  { archive, stop }: Transfer,
  { keyspaces }: Pick<GetRecordsResponse, 'keyspaces'>,
): Promise<PresentSegments> {
  const present: PresentSegments = new Map();
  const options = { signal: stop.signal };
  for (const { uid } of keyspaces) {
    for (const [name, size] of await archive.segmentSizes(uid, options)) present.set(name, size);
  }
  return present;
}

/** Each once, although several versions may have it. */
export function missingSegments(
  collected: readonly Collected[],
  present: ReadonlyMap<string, number>,
): MissingSegment[] {
  const missing = new Map<string, MissingSegment>();
  for (const { keyspace, segments } of collected) {
    for (const segment of segments) {
      const name = segmentObject(keyspace.uid, segment.info.id);
      if (present.get(name) === segment.info.fileBytes) continue;
      missing.set(name, { ...segment, name, keyspaceUid: keyspace.uid });
    }
  }
  return [...missing.values()];
}
