// DUMP of a string, in the format that RESTORE of a redis-server accepts.
//
//   type 0 | length | bytes | RDB version, 2 bytes | CRC-64 of all before, 8 bytes      little-endian
//
//   length   00xxxxxx | 01xxxxxx yyyyyyyy | 80 and 4 bytes, big-endian       (rdb.c, rdbSaveLen)
//
// The version is that of Redis 5: the encoding of strings has not changed since, and servers accept
// older versions.

import { SteleError } from '../../base/errors.ts';

const RDB_VERSION = 9;
const FOOTER_BYTES = 10;
/**
 * The checksum of this many bytes takes some tens of milliseconds, during which nothing else is
 * served.
 */
const DUMP_BYTES_MAX = 8 * 1024 * 1024;

/** Throws UNSUPPORTED. */
export function dumpOf(value: Uint8Array): Buffer {
  if (value.length > DUMP_BYTES_MAX) {
    throw new SteleError(
      'UNSUPPORTED',
      `DUMP is for values of up to ${DUMP_BYTES_MAX / 1024 ** 2} MiB; use GET for this one.`,
    );
  }
  const head = headOf(value.length);
  const dump = Buffer.allocUnsafe(head.length + value.length + FOOTER_BYTES);
  dump.set(head, 0);
  dump.set(value, head.length);
  const end = dump.length - 8;
  dump.writeUInt16LE(RDB_VERSION, end - 2);
  writeCrc64(dump, end);
  return dump;
}

function headOf(length: number): Uint8Array {
  if (length < 64) return Uint8Array.of(0, length);
  if (length < 16_384) return Uint8Array.of(0, 0x40 | (length >>> 8), length & 0xff);
  return Uint8Array.of(
    0,
    0x80,
    length >>> 24,
    (length >>> 16) & 0xff,
    (length >>> 8) & 0xff,
    length & 0xff,
  );
}

// CRC-64 of Jones, reflected, as in Redis's crc64.c. In halves of 32 bits, because BigInt would
// make an object per byte.
const POLYNOMIAL_LOW = 0xac4b_c9b5 | 0;
const POLYNOMIAL_HIGH = 0x95ac_9329 | 0;
const { low: TABLE_LOW, high: TABLE_HIGH } = crcTable();

/** Writes the checksum of bytes[0, end) after them. */
function writeCrc64(bytes: Buffer, end: number): void {
  let low = 0;
  let high = 0;
  for (let at = 0; at < end; at++) {
    const index = (low ^ (bytes[at] as number)) & 0xff;
    low = ((low >>> 8) | (high << 24)) ^ (TABLE_LOW[index] as number);
    high = (high >>> 8) ^ (TABLE_HIGH[index] as number);
  }
  bytes.writeInt32LE(low | 0, end);
  bytes.writeInt32LE(high | 0, end + 4);
}

function crcTable(): { low: Int32Array; high: Int32Array } {
  const lows = new Int32Array(256);
  const highs = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let low = byte;
    let high = 0;
    for (let bit = 0; bit < 8; bit++) {
      const isOdd = (low & 1) === 1;
      low = (low >>> 1) | (high << 31);
      high >>>= 1;
      if (!isOdd) continue;
      low ^= POLYNOMIAL_LOW;
      high ^= POLYNOMIAL_HIGH;
    }
    lows[byte] = low;
    highs[byte] = high;
  }
  return { low: lows, high: highs };
}
