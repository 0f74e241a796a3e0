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

import { createHash } from 'node:crypto';
import { SteleError } from '../base/errors.ts';
import { shorten } from '../base/ids.ts';
import { parseSegmentId, segmentFileName } from '../base/segment-name.ts';
import { faultOfManifest, faultOfSnapshot } from './consistency.ts';
import type { ArchivedManifest, ArchiveMark, Snapshot } from './archived.ts';
import { isManifest, isMark, isSnapshot } from './schemas.ts';

export type {
  ArchivedKeyspace,
  ArchivedManifest,
  ArchivedSegment,
  ArchivedTotals,
  ArchiveMark,
  Snapshot,
} from './archived.ts';

const ARCHIVE_FORMAT = 1;
export const MARK_NAME = 'stele-archive.json';
export const SEGMENTS = 'segments/';
export const MANIFESTS = 'manifests/';
export const SNAPSHOTS = 'snapshots/';
/** Hex digits of a SHA-256 in a name. */
const HASH_DIGITS = 32;

/** An object whose name follows from its bytes. */
export interface EncodedObject {
  readonly name: string;
  readonly bytes: Buffer;
}

/** Throws INVALID_ARGUMENT for what is not the id of a segment. */
export function segmentObject(keyspaceUid: string, segmentId: string): string {
  return `${SEGMENTS}${keyspaceUid}/${segmentFileName(parseSegmentId(segmentId))}`;
}

export function encodeManifest(manifest: ArchivedManifest): EncodedObject {
  const bytes = encode(manifest);
  const { keyspaceUid, version } = manifest;
  return { name: `${MANIFESTS}${keyspaceUid}/${version.number}-${hashOf(bytes)}.json`, bytes };
}

/** Throws CORRUPT unless `bytes` are those that the name stands for, and UNKNOWN_FORMAT. */
export function decodeManifest(name: string, bytes: Buffer): ArchivedManifest {
  const manifest = decode(name, bytes, 'manifest', isManifest);
  const { keyspaceUid, version } = manifest;
  if (!name.startsWith(`${MANIFESTS}${keyspaceUid}/${version.number}-`)) {
    throw damaged(name, 'it is the manifest of another version');
  }
  const fault = faultOfManifest(manifest);
  if (fault !== undefined) throw damaged(name, fault);
  return manifest;
}

export function encodeSnapshot(snapshot: Snapshot): EncodedObject {
  const bytes = encode(snapshot);
  const time = snapshot.createdAt.replace(/[-:]|\.\d+/g, '');
  return { name: `${SNAPSHOTS}${time}-${hashOf(bytes)}.json`, bytes };
}

/** Throws CORRUPT unless `bytes` are those that the name stands for, and UNKNOWN_FORMAT. */
export function decodeSnapshot(name: string, bytes: Buffer): Snapshot {
  const snapshot = decode(name, bytes, 'snapshot', isSnapshot);
  const fault = faultOfSnapshot(snapshot);
  if (fault !== undefined) throw damaged(name, fault);
  return snapshot;
}

export function encodeMark(mark: ArchiveMark): Buffer {
  return encode(mark);
}

/** Throws CORRUPT, UNKNOWN_FORMAT. */
export function decodeMark(bytes: Buffer): ArchiveMark {
  return parse(MARK_NAME, bytes, 'archive', isMark);
}

function encode(content: object): Buffer {
  return Buffer.from(`${JSON.stringify({ format: ARCHIVE_FORMAT, ...content })}\n`);
}

function decode<Content>(
  name: string,
  bytes: Buffer,
  what: string,
  isContent: (value: unknown) => value is Content,
): Content {
  if (!name.endsWith(`-${hashOf(bytes)}.json`)) {
    throw damaged(name, 'its bytes are not those that its name stands for');
  }
  return parse(name, bytes, what, isContent);
}

function parse<Content>(
  name: string,
  bytes: Buffer,
  what: string,
  isContent: (value: unknown) => value is Content,
): Content {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString());
  } catch (thrown) {
    throw damaged(name, 'it is not JSON', thrown);
  }
  const format: unknown = Object(value).format;
  if (typeof format === 'number' && format > ARCHIVE_FORMAT) {
    throw new SteleError(
      'UNKNOWN_FORMAT',
      `'${shorten(name, 200)}' has format ${format}; this Stele reads ${ARCHIVE_FORMAT}. Use the release that wrote it, or a newer one.`,
    );
  }
  if (format === ARCHIVE_FORMAT && isContent(value)) return value;
  throw damaged(name, `it is not the ${what} of an archive of Stele`);
}

function hashOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, HASH_DIGITS);
}

function damaged(name: string, why: string, cause?: unknown): SteleError {
  return new SteleError(
    'CORRUPT',
    `'${shorten(name, 200)}' of the archive is damaged: ${why}. Use another snapshot, or a copy of the archive.`,
    { cause },
  );
}
