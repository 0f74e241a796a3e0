// KEYS: every matching key in one reply. Bounded to keyspaces of up to KEYS_RECORDS_MAX keys,
// because it blocks its own connection and the reply is held in memory; larger ones need SCAN. A
// pattern without special characters is one key, and costs as much as EXISTS.

import { SteleError } from '../../base/errors.ts';
import type { CommandArguments } from '../wire/decoder.ts';
import type { ReplyWriter } from '../wire/encoder.ts';
import { SCAN_PATTERN_BYTES_MAX } from '../../base/limits.ts';
import type { ScanPlace } from './scan-cursor.ts';
import type { ValueReply } from '../commands/backend.ts';

const KEYS_RECORDS_MAX = 100_000;
const KEYS_BYTES_MAX = 16 * 1024 * 1024;

interface KeysPage {
  readonly keys: readonly Uint8Array[];
  readonly next: ScanPlace;
}

/** One page of SCAN; the cursor 0 means that it is the last one. */
export function writeScanPage(out: ReplyWriter, cursor: string, keys: readonly Uint8Array[]): void {
  out.array(2);
  out.bulkText(cursor);
  writeKeys(out, keys);
}

/**
 * The only key that the pattern of `KEYS pattern` can match, copied; undefined if it may match
 * several.
 */
export function literalOf({ buffer, starts, ends }: CommandArguments): Buffer | undefined {
  const pattern = buffer.subarray(starts[1], ends[1]);
  return /[*?[\\]/.test(pattern.toString('latin1')) ? undefined : Buffer.from(pattern);
}

/** The reply for a literal pattern. */
export function keyIfFound(key: Buffer): ValueReply {
  return (out, bytes) => {
    out.array(bytes === undefined ? 0 : 1);
    if (bytes !== undefined) out.bulk(key);
  };
}

/**
 * The pattern of `KEYS pattern`, copied, for a keyspace of `records` keys. Throws INVALID_ARGUMENT,
 * UNSUPPORTED.
 */
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

/** Shards [from, to). */
interface ShardSpan {
  readonly from: number;
  readonly to: number;
}

type PageFrom = (place: ScanPlace) => Promise<KeysPage>;

/**
 * Collects the keys of some shards from the pages of `pageFrom`, at most `keysMax`. Throws
 * UNSUPPORTED.
 */
export async function collectKeys(
  span: ShardSpan,
  pageFrom: PageFrom,
  keysMax = Number.POSITIVE_INFINITY,
): Promise<Uint8Array[]> {
  const keys: Uint8Array[] = [];
  let bytesLeft = KEYS_BYTES_MAX;
  for await (const page of pagesOf(span, pageFrom)) {
    for (const key of page) {
      if (keys.length >= keysMax) return keys;
      bytesLeft -= key.length;
      keys.push(key);
    }
    if (bytesLeft < 0) {
      throw new SteleError('UNSUPPORTED', 'The keys are too long together; use SCAN.');
    }
  }
  return keys;
}

/** The number of keys of some shards, from the pages of `pageFrom`. */
export async function countKeys(span: ShardSpan, pageFrom: PageFrom): Promise<number> {
  let count = 0;
  for await (const page of pagesOf(span, pageFrom)) count += page.length;
  return count;
}

async function* pagesOf({ from, to }: ShardSpan, pageFrom: PageFrom) {
  for (let place: ScanPlace = { shard: from, position: 0 }; place.shard < to;) {
    const page = await pageFrom(place);
    yield page.keys;
    place = page.next;
  }
}

export function writeKeys(out: ReplyWriter, keys: readonly Uint8Array[]): void {
  out.array(keys.length);
  for (const key of keys) out.bulk(key);
}
