// Records as a Parquet file of two columns, `key` and `value`: STRING, or binary where that is
// asked for. Pages are compressed with snappy.
//
// No dictionary and no statistics: keys are unique and in the order of their hashes, so both would
// take time and space for nothing. The rows of a group are views of the source, about 200 bytes of
// memory for each beside their bytes.

import { isUtf8 } from 'node:buffer';
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import type { RowsWriter } from './rows-writer.ts';

const GROUP_BYTES_MAX = 16 * 1024 * 1024;
const GROUP_ROWS_MAX = 100_000;

/** Whether the columns are texts. */
export interface TextColumns {
  readonly key: boolean;
  readonly value: boolean;
}

/** A record that is not UTF-8, where a column is to be one of texts. */
export class NotText extends Error {
  readonly column: keyof TextColumns;

  constructor(column: keyof TextColumns) {
    super(`A ${column} is not UTF-8.`);
    this.column = column;
  }
}

export class ParquetRows implements RowsWriter {
  readonly #bytes = new ByteWriter();
  readonly #writer: ParquetWriter;
  readonly #isText: TextColumns;
  #keys: Uint8Array[] = [];
  #values: Uint8Array[] = [];
  #groupBytes = 0;
  #byteCount = 0;

  constructor(isText: TextColumns) {
    this.#isText = isText;
    const schema = [
      { name: 'root', num_children: 2 },
      columnOf('key', isText.key),
      columnOf('value', isText.value),
    ];
    const options = { statistics: false, createdBy: 'stele' };
    this.#writer = new ParquetWriter({ writer: this.#bytes, schema, ...options });
  }

  get byteCount(): number {
    return this.#byteCount;
  }

  /** Throws NotText. */
  add(bytes: Buffer, _: DataView, keyStart: number, valueStart: number, end: number): void {
    const key = bytes.subarray(keyStart, valueStart);
    const value = bytes.subarray(valueStart, end);
    if (this.#isText.key && !isUtf8(key)) throw new NotText('key');
    if (this.#isText.value && !isUtf8(value)) throw new NotText('value');
    const isFull = this.#groupBytes + end - keyStart > GROUP_BYTES_MAX;
    if ((isFull && this.#keys.length > 0) || this.#keys.length === GROUP_ROWS_MAX) this.#endGroup();
    this.#keys.push(key);
    this.#values.push(value);
    this.#groupBytes += end - keyStart;
    this.#byteCount += end - keyStart;
  }

  finish(): Uint8Array {
    if (this.#keys.length > 0) this.#endGroup();
    // Nothing is pending: the writer goes into memory.
    void this.#writer.finish();
    return this.#bytes.getBytes();
  }

  #endGroup(): void {
    const encoding = 'PLAIN' as const;
    const columnData = [
      { name: 'key', data: this.#keys, encoding },
      { name: 'value', data: this.#values, encoding },
    ];
    void this.#writer.write({ columnData, rowGroupSize: this.#keys.length });
    this.#keys = [];
    this.#values = [];
    this.#groupBytes = 0;
  }
}

function columnOf(name: string, isText: boolean) {
  return {
    name,
    type: 'BYTE_ARRAY' as const,
    repetition_type: 'REQUIRED' as const,
    ...(isText && { converted_type: 'UTF8' as const }),
  };
}
