// Key -> slot: the CRC16 (XMODEM: polynomial 0x1021, initial value 0, no reflection) of the key,
// modulo 16384, exactly as Redis Cluster does it
// (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/).
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

/**
 * The effect of a byte on the CRC when 0, 1, 2 or 3 more bytes follow it. With these tables, four
 * bytes are one step ("slicing by 4"; Kounavis and Berry, 2008), and the chain of dependent reads
 * is a quarter as long.
 */
const AT_0 = crc16Table();
const AT_1 = followedByZero(AT_0);
const AT_2 = followedByZero(AT_1);
const AT_3 = followedByZero(AT_2);

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

function followedByZero(table: Uint16Array): Uint16Array {
  return table.map((crc) => ((crc << 8) & 0xffff) ^ (AT_0[crc >>> 8] as number));
}

/**
 * The slot, 0 .. 16383, of the key at `bytes[start .. end)`. Does not modify the bytes. The caller
 * guarantees `0 <= start <= end <= bytes.length`.
 */
export function slotOfKey(bytes: Uint8Array, start: number, end: number): number {
  // Most keys have no tag, so the one pass that looks for a brace computes the CRC as well.
  let crc = 0;
  let at = start;
  for (; at + 4 <= end; at += 4) {
    const b0 = bytes[at] as number;
    const b1 = bytes[at + 1] as number;
    const b2 = bytes[at + 2] as number;
    const b3 = bytes[at + 3] as number;
    if (b0 === OPEN_BRACE || b1 === OPEN_BRACE || b2 === OPEN_BRACE || b3 === OPEN_BRACE) {
      return slotOfTaggedKey(bytes, start, end);
    }
    crc = fourBytes(crc, b0, b1, b2, b3);
  }
  for (; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte === OPEN_BRACE) return slotOfTaggedKey(bytes, start, end);
    crc = oneByte(crc, byte);
  }
  return crc & SLOT_MASK;
}

function slotOfTaggedKey(bytes: Uint8Array, start: number, end: number): number {
  const open = indexOfByte(bytes, OPEN_BRACE, start, end);
  const close = open < 0 ? -1 : indexOfByte(bytes, CLOSE_BRACE, open + 1, end);
  if (close > open + 1) return crc16(bytes, open + 1, close) & SLOT_MASK;
  return crc16(bytes, start, end) & SLOT_MASK;
}

/**
 * The slot of a key given as text (its UTF-8 bytes). For commands and messages, not for hot loops.
 */
export function slotOfText(text: string): number {
  const bytes = Buffer.from(text, 'utf8');
  return slotOfKey(bytes, 0, bytes.length);
}

/** CRC16/XMODEM of `bytes[start .. end)`. */
export function crc16(bytes: Uint8Array, start: number, end: number): number {
  let crc = 0;
  for (let at = start; at < end; at++) crc = oneByte(crc, bytes[at] as number);
  return crc;
}

// The indexes below are 0 .. 255 by construction.

function oneByte(crc: number, byte: number): number {
  return ((crc << 8) & 0xffff) ^ (AT_0[(crc >>> 8) ^ byte] as number);
}

function fourBytes(crc: number, b0: number, b1: number, b2: number, b3: number): number {
  return (
    (AT_3[(crc >>> 8) ^ b0] as number) ^
    (AT_2[(crc & 0xff) ^ b1] as number) ^
    (AT_1[b2] as number) ^
    (AT_0[b3] as number)
  );
}

function indexOfByte(bytes: Uint8Array, wanted: number, start: number, end: number): number {
  for (let at = start; at < end; at++) {
    if (bytes[at] === wanted) return at;
  }
  return -1;
}
