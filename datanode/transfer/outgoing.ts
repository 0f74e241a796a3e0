// A segment that is sent to a peer: from memory, or in pieces from its file if its keyspace is
// suspended, so that fetching suspended data does not bring it back into memory.

import { SteleError } from '../../base/errors.ts';
import type { Files } from '../../base/disk/files.ts';
import { shorten } from '../../base/ids.ts';
import type { HeldSegment } from '../../proto/gen/stele/v1/datanode.ts';
import type { Holdings } from '../storage/holdings.ts';
import type { DiskStore } from '../storage/store.ts';

const PIECE_BYTES = 1024 * 1024;

/** The bytes of one segment, to be read once. */
export interface OutgoingSegment {
  readonly byteLength: number;
  /** The pieces in order; a piece is valid until the next is requested. Throws IO, CORRUPT. */
  pieces(): AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

/** A held segment. Throws NOT_FOUND. */
export function outgoingSegment(
  { keyspaceUid, segmentId }: HeldSegment,
  holdings: Holdings,
  store: Pick<DiskStore, 'fileOf' | 'files'>,
): OutgoingSegment {
  const segment = holdings.get(keyspaceUid, segmentId);
  if (segment !== undefined) return outgoingBytes(segment.bytes);
  const byteLength = holdings.byteLengthOf(keyspaceUid, segmentId);
  if (byteLength === undefined) {
    throw new SteleError('NOT_FOUND', `Segment ${shorten(segmentId)} is not held here.`);
  }
  return outgoingFile(store.files, store.fileOf(keyspaceUid, segmentId).path, byteLength);
}

/** A segment in memory that does not change. */
export function outgoingBytes(bytes: Uint8Array): OutgoingSegment {
  return {
    byteLength: bytes.length,
    *pieces() {
      for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
        yield bytes.subarray(at, at + PIECE_BYTES);
      }
    },
  };
}

/** A segment in a file of `byteLength` bytes, which is opened when its first piece is requested. */
function outgoingFile(files: Files, path: string, byteLength: number): OutgoingSegment {
  return {
    byteLength,
    async *pieces() {
      const file = await files.open(path, 'r');
      try {
        for (let at = 0; at < byteLength;) {
          const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, byteLength - at));
          const { bytesRead } = await file.read(piece, 0, piece.length, at);
          if (bytesRead === 0) throw new SteleError('CORRUPT', `${path} ends at byte ${at}.`);
          yield piece.subarray(0, bytesRead);
          at += bytesRead;
        }
      } finally {
        await file.close();
      }
    },
  };
}
