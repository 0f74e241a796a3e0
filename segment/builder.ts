// Builds a segment from encoded records: scan, sort, deduplicate, copy, index, seal.
//
// Linear in the input. Takes 28 bytes of scratch per record besides input and output. The bytes
// depend only on the set of records, the keyspace and the shard, not on the order of the input or
// on how it was cut into parts (except through `onConflict`, which chooses between two values of a
// key).

import { SteleError } from '../base/errors.ts';
import { SEGMENT_BYTES_MAX, SEGMENT_RECORDS_MAX } from '../base/limits.ts';
import { addRecordHash, Digest } from './digest.ts';
import { placeSections, sealSegment, writeHeader } from './header.ts';
import { countOverflowLines, writeIndex } from './index-line.ts';
import { bucketCountFor, CRC_BLOCK_BYTES } from './layout.ts';
import type { SegmentMeta } from './layout.ts';
import { segmentId } from '../base/segment-name.ts';
import { copyWords, decodeRecord, newRecordBounds } from './record.ts';
import { RecordTable, scanParts, deduplicate, sortRecords } from './record-table.ts';
import type { Conflict, ConflictRule } from './record-table.ts';

/** Longer records are copied by the engine. */
const COPY_WORDS_BYTES_MAX = 512;
/** Records between two calls of `throttle`. */
const RECORDS_PER_STEP = 256;

export interface BuildInput {
  /** 16 hex digits, random per keyspace: its identity and its hash seed. */
  readonly keyspaceUid: string;
  readonly shard: number;
  readonly shardCount: number;
  /**
   * Each part is a sequence of encoded records (record.ts), in input order. Only read, and not
   * kept.
   */
  readonly parts: readonly Uint8Array[];
  readonly onConflict: ConflictRule;
  /** A power of two from CRC_BLOCK_BYTES_MIN to CRC_BLOCK_BYTES_MAX. Default: CRC_BLOCK_BYTES. */
  readonly crcBlockBytes?: number | undefined;
  /** Memory to build in; its content is overwritten. Ignored if it is too small. */
  readonly memory?: SharedArrayBuffer | undefined;
  /**
   * Called after every few hundred microseconds of work; may sleep, to leave the CPU to readers.
   */
  readonly throttle?: (() => void) | undefined;
}

export interface BuildResult {
  /** Missing only if there are conflicts under the rule 'error'. */
  readonly segment: BuiltSegment | undefined;
  /** Records left out because an earlier one has their key. */
  readonly duplicates: number;
  /** The part of `duplicates` with another value, where `onConflict` chose one. */
  readonly overruled: number;
  /** The first 100 of `conflictCount`. */
  readonly conflicts: readonly Conflict[];
  readonly conflictCount: number;
}

export interface BuiltSegment {
  /**
   * The whole file. Its SharedArrayBuffer holds nothing else (but may be larger), so it can be
   * posted to a thread without a copy.
   */
  readonly bytes: Buffer;
  readonly info: SegmentMeta;
}

/** Builds one segment. To build many, keep a SegmentBuilder, which reuses its scratch. */
export function buildSegment(input: BuildInput): BuildResult {
  return new SegmentBuilder().build(input);
}

/** One per worker thread. */
export class SegmentBuilder {
  readonly #table = new RecordTable();

  /**
   * Throws CORRUPT if a part is not a sequence of records, LOAD_REJECTED if the records do not fit
   * in one segment.
   */
  build(input: BuildInput): BuildResult {
    const table = this.#table;
    const { throttle } = input;
    const uid = parseUid(input.keyspaceUid);
    scanParts(table, input.parts, uid.readInt32LE(0), uid.readInt32LE(4), throttle);
    sortRecords(table);
    throttle?.();
    const deduplicated = deduplicate(table, input.onConflict);
    throttle?.();
    const segment = deduplicated.conflictCount > 0 ? undefined : writeSegment(table, input);
    table.parts = [];
    return { segment, ...deduplicated };
  }

  /** Frees the scratch at once; the next build allocates it again. */
  release(): void {
    this.#table.release();
  }
}

function parseUid(keyspaceUid: string): Buffer {
  if (!/^[0-9a-f]{16}$/.test(keyspaceUid)) {
    throw new SteleError('INVALID_ARGUMENT', `A keyspace uid is 16 hex digits in lower case.`);
  }
  return Buffer.from(keyspaceUid, 'hex');
}

function writeSegment(table: RecordTable, input: BuildInput): BuiltSegment {
  const records = table.uniqueCount;
  const { crcBlockBytes = CRC_BLOCK_BYTES } = input;
  const buckets = bucketCountFor(records);
  const overflowLines = countOverflowLines(table, buckets);
  const recordsBytes = table.offsets[records] as number;
  const sections = placeSections(buckets, overflowLines, recordsBytes, crcBlockBytes);
  requireSize(input.shard, records, sections.fileBytes);

  const { fileBytes, recordsOffset } = sections;
  const fits = input.memory !== undefined && input.memory.byteLength >= fileBytes;
  const bytes = Buffer.from(fits ? input.memory : new SharedArrayBuffer(fileBytes), 0, fileBytes);
  // The writers below do not touch unused entries and padding.
  bytes.fill(0, 0, recordsOffset);
  bytes.fill(0, recordsOffset + recordsBytes);
  input.throttle?.();
  const digest = new Digest();
  const { lanes } = digest;
  const byteCounts = new Uint32Array(2);
  copyRecords(table, bytes, recordsOffset, lanes, byteCounts, input.throttle);
  const [keyBytes = 0, valueBytes = 0] = byteCounts;
  input.throttle?.();
  writeIndex(bytes, table, buckets, recordsOffset);
  input.throttle?.();
  const { keyspaceUid, shard, shardCount } = input;
  const identity = { keyspaceUid, shard, shardCount };
  const counts = { records, keyBytes, valueBytes, digest: digest.toBytes() };
  const shape = { ...sections, buckets, overflowLines, recordsBytes, crcBlockBytes };
  writeHeader(bytes, { ...identity, ...counts, ...shape });
  const contentHash = sealSegment(bytes, shape);

  const id = segmentId(shard, digest.toHex(), contentHash);
  return { bytes, info: { id, ...identity, ...counts, fileBytes: bytes.length } };
}

/** Throws LOAD_REJECTED if so many records, or bytes of a file, do not fit in one segment. */
export function requireSize(shard: number, records: number, fileBytes: number): void {
  if (records <= SEGMENT_RECORDS_MAX && fileBytes <= SEGMENT_BYTES_MAX) return;
  throw new SteleError(
    'LOAD_REJECTED',
    `Shard ${shard} would hold ${records} records in ${fileBytes} bytes, over the ${SEGMENT_RECORDS_MAX} records or ${SEGMENT_BYTES_MAX} bytes of a segment; use a cluster with more shards.`,
  );
}

/**
 * Copies the deduplicated records to their places. While a record is in the cache, its hash is
 * added to `lanes`, and the bytes of its key and value to the two `byteCounts`.
 */
function copyRecords(
  table: RecordTable,
  bytes: Buffer,
  recordsOffset: number,
  lanes: Int32Array,
  byteCounts: Uint32Array,
  throttle: BuildInput['throttle'],
): void {
  const { order, offsets, part, start, length, parts, uniqueCount } = table;
  const out = viewOf(bytes);
  // Not `map`: its array would be of the same kind as `parts`, and with one kind of array the loop
  // is compiled once.
  const views: DataView[] = [];
  for (const each of parts) views.push(viewOf(each));
  const bounds = newRecordBounds();
  for (let place = 0; place < uniqueCount; place++) {
    const record = order[place] as number;
    const at = recordsOffset + (offsets[place] as number);
    const from = part[record] as number;
    const recordBytes = length[record] as number;
    if (recordBytes <= COPY_WORDS_BYTES_MAX) {
      copyWords(out, at, views[from] as DataView, start[record] as number, recordBytes);
    } else {
      const begin = start[record] as number;
      bytes.set((parts[from] as Uint8Array).subarray(begin, begin + recordBytes), at);
    }
    decodeRecord(bytes, at, at + recordBytes, bounds);
    addRecordHash(lanes, 1, out, bounds.keyStart, bounds.valueStart, bounds.end);
    byteCounts[0] = (byteCounts[0] as number) + bounds.valueStart - bounds.keyStart;
    byteCounts[1] = (byteCounts[1] as number) + bounds.end - bounds.valueStart;
    if (throttle !== undefined && place % RECORDS_PER_STEP === 0) throttle();
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
