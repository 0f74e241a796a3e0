// Key -> slot: the CRC16 (XMODEM: polynomial 0x1021, initial value 0, no reflection) of the key,
// modulo 16384, exactly as Redis Cluster does it (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/).
//
// Hash tags: if the key has a `{`, and a `}` somewhere after that first `{`, and at least one byte
// between the two, then only those bytes are hashed, so that a user can put related keys together.
//
//     {user1000}.following  -> user1000          foo{}{bar}    -> the whole key (empty tag)
//     foo{bar}{zap}         -> bar               foo{{bar}}zap -> {bar
//
// A hot loop: plain functions over numbers and bytes, nothing is allocated per key.

import { SLOT_COUNT } from '../base/limits.ts';

const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const CRC16_POLYNOMIAL = 0x1021;
/** SLOT_COUNT is a power of two, so the remainder is a mask. */
const SLOT_MASK = SLOT_COUNT - 1;

const CRC16_TABLE = crc16Table();

function crc16Table(): Uint16Array {
  const table = new Uint16Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte << 8;
    for (let bit = 0; bit < 8; bit++) {
      crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ CRC16_POLYNOMIAL;
    }
    table[byte] = crc & 0xffff;
  }
  return table;
}

/**
 * The slot, 0 .. 16383, of the key at `bytes[start .. end)`. The bytes are only read; the caller
 * vouches for `0 <= start <= end <= bytes.length`.
 */
export function slotOfKey(bytes: Uint8Array, start: number, end: number): number {
  const open = indexOfByte(bytes, OPEN_BRACE, start, end);
  if (open >= 0) {
    const close = indexOfByte(bytes, CLOSE_BRACE, open + 1, end);
    if (close > open + 1) return crc16(bytes, open + 1, close) & SLOT_MASK;
  }
  return crc16(bytes, start, end) & SLOT_MASK;
}

/** The slot of a key given as text (its UTF-8 bytes). For commands and messages, not for hot loops. */
export function slotOfText(text: string): number {
  const bytes = Buffer.from(text, 'utf8');
  return slotOfKey(bytes, 0, bytes.length);
}

/** CRC16/XMODEM of `bytes[start .. end)`. */
export function crc16(bytes: Uint8Array, start: number, end: number): number {
  let crc = 0;
  for (let at = start; at < end; at++) {
    // Both indexes are in range by construction: 0 .. 255 and below `end`.
    const row = (crc >>> 8) ^ (bytes[at] as number);
    crc = ((crc << 8) & 0xffff) ^ (CRC16_TABLE[row] as number);
  }
  return crc;
}

function indexOfByte(bytes: Uint8Array, wanted: number, start: number, end: number): number {
  for (let at = start; at < end; at++) {
    if (bytes[at] === wanted) return at;
  }
  return -1;
}
