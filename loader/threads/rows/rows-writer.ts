// Writes records as rows of a text or Parquet file, into memory.

/** One file. `finish` is called once, and nothing after it. */
export interface RowsWriter {
  /** Bytes that it holds so far; of Parquet, before they are compressed. */
  readonly byteCount: number;
  /**
   * Adds a record: its key is `[keyStart, valueStart)` of `bytes`, its value `[valueStart, end)`.
   * `bytes` must not change until `finish`; `view` is over the same bytes.
   */
  add(bytes: Buffer, view: DataView, keyStart: number, valueStart: number, end: number): void;
  /** The whole file, valid until its memory is used for the next one. */
  finish(): Uint8Array;
}
