// Bytes that can be searched, wherever they are.

/** A whole chunk in memory, or a file read through a window. */
export interface ByteSource {
  /** One behind the last byte. */
  readonly end: number;
  /** -1 behind the end. */
  byteAt(offset: number): number;
  /**
   * The first `byte` at or behind `from`; -1 if there is none before `limit`. May find one behind
   * `limit`, where that costs nothing.
   */
  find(byte: number, from: number, limit: number): number;
  /** Bytes in memory, the one at `offset` and what is around it; `viewStart` is where they begin. */
  viewAt(offset: number): DataView;
  readonly viewStart: number;
}
