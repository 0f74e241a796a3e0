// What is in an archive (docs/archive-format.md):
//
//   stele-archive.json                          whose it is, and the format
//   segments/<keyspace uid>/<segment id>.seg    segment files
//   manifests/<keyspace uid>/<number>-<hash>.json   one version: its segments
//   snapshots/<time>-<hash>.json                keyspaces with their versions: written last
//
// Segments, manifests and snapshots have names that follow from their content: two writers of one
// name write the same bytes, and a reader finds out whether what it has read is torn or altered. A
// snapshot is complete: all that it names was there before it.

import { parseSegmentId, segmentFileName } from '../base/segment-name.ts';
import { faultOfManifest, faultOfSnapshot } from './consistency.ts';
import type { ArchivedManifest, ArchiveMark, Snapshot } from './archived.ts';
import { damagedObject, decodeJson, decodeNamed, encodeJson, encodeNamed } from './named-json.ts';
import type { EncodedObject, JsonFamily } from './named-json.ts';
import { isManifest, isMark, isSnapshot } from './schemas.ts';

const FAMILY: JsonFamily = {
  format: 1,
  whole: 'archive',
  advice: 'Use another snapshot, or a copy of the archive.',
};
export const MARK_NAME = 'stele-archive.json';
export const SEGMENTS = 'segments/';
export const MANIFESTS = 'manifests/';
export const SNAPSHOTS = 'snapshots/';

/** Throws INVALID_ARGUMENT for what is not the id of a segment. */
export function segmentObject(keyspaceUid: string, segmentId: string): string {
  return `${SEGMENTS}${keyspaceUid}/${segmentFileName(parseSegmentId(segmentId))}`;
}

export function encodeManifest(manifest: ArchivedManifest): EncodedObject {
  const { keyspaceUid, version } = manifest;
  return encodeNamed(FAMILY, `${MANIFESTS}${keyspaceUid}/${version.number}`, manifest);
}

/** Throws CORRUPT unless `bytes` are those that the name stands for, and UNKNOWN_FORMAT. */
export function decodeManifest(name: string, bytes: Buffer): ArchivedManifest {
  const manifest = decodeNamed(FAMILY, name, bytes, 'manifest', isManifest);
  const { keyspaceUid, version } = manifest;
  if (!name.startsWith(`${MANIFESTS}${keyspaceUid}/${version.number}-`)) {
    throw damagedObject(FAMILY, name, 'it is the manifest of another version');
  }
  const fault = faultOfManifest(manifest);
  if (fault !== undefined) throw damagedObject(FAMILY, name, fault);
  return manifest;
}

export function encodeSnapshot(snapshot: Snapshot): EncodedObject {
  const time = snapshot.createdAt.replace(/[-:]|\.\d+/g, '');
  return encodeNamed(FAMILY, `${SNAPSHOTS}${time}`, snapshot);
}

/** Throws CORRUPT unless `bytes` are those that the name stands for, and UNKNOWN_FORMAT. */
export function decodeSnapshot(name: string, bytes: Buffer): Snapshot {
  const snapshot = decodeNamed(FAMILY, name, bytes, 'snapshot', isSnapshot);
  const fault = faultOfSnapshot(snapshot);
  if (fault !== undefined) throw damagedObject(FAMILY, name, fault);
  return snapshot;
}

export function encodeMark(mark: ArchiveMark): Buffer {
  return encodeJson(FAMILY, mark);
}

/** Throws CORRUPT, UNKNOWN_FORMAT. */
export function decodeMark(bytes: Buffer): ArchiveMark {
  return decodeJson(FAMILY, MARK_NAME, bytes, 'mark', isMark);
}
