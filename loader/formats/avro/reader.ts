// The numbers and byte strings of Avro's binary encoding.
//
// Hot loops: plain functions over numbers and bytes. A read beyond the end throws an Error.

export interface AvroReader {
  readonly bytes: Buffer;
  readonly view: DataView;
  at: number;
  /** Whether text that must be UTF-8 was not, since it was last cleared. */
  isBad: boolean;
}

export function newAvroReader(bytes: Buffer, at = 0): AvroReader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { bytes, view, at, isBad: false };
}

/** Seven bits each: up to this many bytes fit a double. */
const DOUBLE_BYTES_MAX = 7;
const LONG_BYTES_MAX = 10;

/** An int or long; a bigint if it does not fit a double. */
export function readLong(reader: AvroReader): number | bigint {
  const { bytes } = reader;
  let value = 0;
  let factor = 1;
  for (let index = 0; index < DOUBLE_BYTES_MAX; index++) {
    const byte = byteOf(reader);
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
    factor *= 0x80;
  }
  let big = BigInt(value);
  let shift = BigInt(7 * DOUBLE_BYTES_MAX);
  for (let index = DOUBLE_BYTES_MAX; index < LONG_BYTES_MAX; index++) {
    const byte = byteOf(reader);
    big |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return BigInt.asIntN(64, (big >> 1n) ^ -(big & 1n));
    shift += 7n;
  }
  throw new Error(`a number of more than 64 bits at byte ${reader.at} of ${bytes.length}`);
}

function byteOf(reader: AvroReader): number {
  const byte = reader.bytes[reader.at++];
  if (byte === undefined) throw new Error('a value reaches beyond the end');
  return byte;
}

/** A long that counts something. */
export function readCount(reader: AvroReader): number {
  const value = Number(readLong(reader));
  if (Number.isSafeInteger(value)) return value;
  throw new Error(`a count of ${value}`);
}

/** Skips `byteCount` bytes; returns where they begin. */
export function take(reader: AvroReader, byteCount: number): number {
  const start = reader.at;
  if (!(byteCount >= 0 && start + byteCount <= reader.bytes.length)) {
    throw new Error('a value reaches beyond the end');
  }
  reader.at = start + byteCount;
  return start;
}

/** A view of the bytes of a string or of bytes. */
export function readSpan(reader: AvroReader): Buffer {
  const byteCount = readCount(reader);
  const start = take(reader, byteCount);
  return reader.bytes.subarray(start, start + byteCount);
}
