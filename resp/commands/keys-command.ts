// KEYS: every key that matches, in one answer. Bounded, because it holds up its own connection and is held in
// memory at once: for keyspaces of up to KEYS_RECORDS_MAX keys; for larger ones SCAN is there. A pattern without
// special characters is one key, and costs what EXISTS costs.

import { SteleError } from '../../base/errors.ts';
import type { CommandArguments } from '../wire/decoder.ts';
import type { ReplyWriter } from '../wire/encoder.ts';
import { SCAN_PATTERN_BYTES_MAX } from '../../base/limits.ts';
import type { ScanPlace } from './scan-cursor.ts';
import type { ValueReply } from './backend.ts';

const KEYS_RECORDS_MAX = 100_000;
const KEYS_BYTES_MAX = 16 * 1024 * 1024;

export interface KeysPage {
  readonly keys: readonly Uint8Array[];
  readonly next: ScanPlace;
}

/** The one key that the pattern of `KEYS pattern` matches; undefined if it may match several. A copy. */
export function literalOf({ buffer, starts, ends }: CommandArguments): Buffer | undefined {
  const pattern = buffer.subarray(starts[1], ends[1]);
  return /[*?[\\]/.test(pattern.toString('latin1')) ? undefined : Buffer.from(pattern);
}

/** The answer for a literal pattern. */
export function keyIfFound(key: Buffer): ValueReply {
  return (out, bytes) => {
    out.array(bytes === undefined ? 0 : 1);
    if (bytes !== undefined) out.bulk(key);
  };
}

/** The pattern of `KEYS pattern` over so many records; a copy. Throws INVALID_ARGUMENT, UNSUPPORTED. */
export function keysPattern({ buffer, starts, ends }: CommandArguments, records: number): Buffer {
  const pattern = Buffer.from(buffer.subarray(starts[1], ends[1]));
  if (pattern.length > SCAN_PATTERN_BYTES_MAX) {
    throw new SteleError(
      'INVALID_ARGUMENT',
      `a pattern has at most ${SCAN_PATTERN_BYTES_MAX} bytes`,
    );
  }
  if (records <= KEYS_RECORDS_MAX) return pattern;
  throw new SteleError(
    'UNSUPPORTED',
    `KEYS is for up to ${KEYS_RECORDS_MAX.toLocaleString('en-US')} keys, and here are ${records.toLocaleString('en-US')}; use SCAN, or redis-cli --scan.`,
  );
}

/** All keys that `pageFrom` gives, from the first place to its end. Throws UNSUPPORTED. */
export async function collectKeys(
  shardCount: number,
  pageFrom: (place: ScanPlace) => Promise<KeysPage>,
): Promise<Uint8Array[]> {
  const keys: Uint8Array[] = [];
  let bytesLeft = KEYS_BYTES_MAX;
  for (let place: ScanPlace = { shard: 0, position: 0 }; place.shard < shardCount;) {
    const page = await pageFrom(place);
    for (const key of page.keys) {
      bytesLeft -= key.length;
      keys.push(key);
    }
    if (bytesLeft < 0) {
      throw new SteleError('UNSUPPORTED', 'The keys are too long together for KEYS; use SCAN.');
    }
    place = page.next;
  }
  return keys;
}

export function writeKeys(out: ReplyWriter, keys: readonly Uint8Array[]): void {
  out.array(keys.length);
  for (const key of keys) out.bulk(key);
}
