// Searchable bytes, in memory or in a file.

/** A whole chunk in memory, or a file read through a window. */
export interface ByteSource {
  /** The offset after the last byte. */
  readonly end: number;
  /** The byte at `offset`; -1 at or after the end. */
  byteAt(offset: number): number;
  /** Offset of the first `byte` in [from, limit), or -1. May return an offset >= limit. */
  find(byte: number, from: number, limit: number): number;
  /** A view of the bytes around `offset`; `viewStart` is the offset of its first byte. */
  viewAt(offset: number): DataView;
  readonly viewStart: number;
}
