// Reads the bytes of a piece.

import { closeSync, openSync } from 'node:fs';
import { readFully } from '../bytes/file-window.ts';
import { pieceBytes, pieceParts } from './input-format.ts';
import type { Piece } from './input-format.ts';

/**
 * Reads all parts of a piece into the start of `into`. Returns false if the file has become
 * shorter.
 */
export function readPieceInto(path: string, piece: Piece, into: Uint8Array): boolean {
  const parts = pieceParts(piece);
  const file = openSync(path, 'r');
  try {
    let filled = 0;
    for (let at = 0; at < parts.length; at += 2) {
      const start = parts[at] as number;
      const byteCount = (parts[at + 1] as number) - start;
      const room = into.subarray(filled, filled + byteCount);
      if (readFully(file, room, byteCount, start) !== byteCount) return false;
      filled += byteCount;
    }
    return true;
  } finally {
    closeSync(file);
  }
}

/** The bytes of a piece; undefined if the file has become shorter. */
export function readPiece(path: string, piece: Piece): Buffer | undefined {
  const bytes = Buffer.allocUnsafe(pieceBytes(piece));
  return readPieceInto(path, piece, bytes) ? bytes : undefined;
}
