// Makes a segment out of encoded records: scan, sort, settle duplicates, copy, index, seal.
//
// Linear in the input; 28 bytes of scratch a record beside input and output. The bytes depend on the
// set of records, the keyspace and the shard alone: neither the order of the input nor how it was cut
// into parts can be seen in them (except through `onConflict`, where two values fight for a key).

import { SteleError } from '../base/errors.ts';
import { SEGMENT_BYTES_MAX, SEGMENT_RECORDS_MAX } from '../base/limits.ts';
import { addRecordHash, Digest } from './digest.ts';
import { placeSections, writeFooter, writeHeader } from './header.ts';
import { countOverflowLines, writeIndex } from './index-line.ts';
import { bucketCountFor } from './layout.ts';
import type { SegmentMeta } from './layout.ts';
import { segmentId } from './name.ts';
import { copyWords, decodeRecord, newRecordBounds } from './record.ts';
import { RecordTable, scanParts, settle, sortRecords } from './record-table.ts';
import type { Conflict, ConflictRule } from './record-table.ts';

/** Longer records are copied by the engine. */
const COPY_WORDS_BYTES_MAX = 512;
/** Between two calls of `rest`. */
const RECORDS_PER_STEP = 256;

export interface BuildInput {
  /** 16 hex digits, random per keyspace: identity and hash seed. */
  readonly keyspaceUid: string;
  readonly shard: number;
  readonly shardCount: number;
  /** Each a sequence of encoded records (record.ts), in input order. Read only, not kept. */
  readonly parts: readonly Uint8Array[];
  readonly onConflict: ConflictRule;
  /** Memory to build in; whatever it holds is lost. Not used if it is too small. */
  readonly memory?: SharedArrayBuffer | undefined;
  /** Called every few hundred microseconds of work: a thread that gives way sleeps in it. */
  readonly rest?: (() => void) | undefined;
}

export interface BuildResult {
  /** Missing only if there are conflicts under the rule 'error'. */
  readonly segment: BuiltSegment | undefined;
  /** Records left out because their key was there already. */
  readonly duplicates: number;
  /** Of `duplicates`, those with another value, which `onConflict` has settled. */
  readonly overruled: number;
  /** The first 100 of `conflictCount`. */
  readonly conflicts: readonly Conflict[];
  readonly conflictCount: number;
}

export interface BuiltSegment {
  /**
   * The whole file, over a SharedArrayBuffer of its own (which may be larger): can be posted to a
   * thread without a copy.
   */
  readonly bytes: Buffer;
  readonly info: SegmentMeta;
}

/** Builds one segment. For many in a row keep a SegmentBuilder, whose scratch is used again. */
export function buildSegment(input: BuildInput): BuildResult {
  return new SegmentBuilder().build(input);
}

/** One per worker thread. */
export class SegmentBuilder {
  readonly #table = new RecordTable();

  /**
   * Throws CORRUPT if a part is not a sequence of records, LOAD_REJECTED if the records do not fit one
   * segment.
   */
  build(input: BuildInput): BuildResult {
    const table = this.#table;
    const { rest } = input;
    const uid = parseUid(input.keyspaceUid);
    scanParts(table, input.parts, uid.readInt32LE(0), uid.readInt32LE(4), rest);
    sortRecords(table);
    rest?.();
    const settled = settle(table, input.onConflict);
    rest?.();
    const segment = settled.conflictCount > 0 ? undefined : writeSegment(table, input);
    table.parts = [];
    return { segment, ...settled };
  }

  /** Gives the scratch back at once, which the next build makes anew. */
  giveBack(): void {
    this.#table.giveBack();
  }
}

function parseUid(keyspaceUid: string): Buffer {
  if (!/^[0-9a-f]{16}$/.test(keyspaceUid)) {
    throw new SteleError('INVALID_ARGUMENT', `A keyspace uid is 16 hex digits in lower case.`);
  }
  return Buffer.from(keyspaceUid, 'hex');
}

function writeSegment(table: RecordTable, input: BuildInput): BuiltSegment {
  const records = table.settledCount;
  const buckets = bucketCountFor(records);
  const overflowLines = countOverflowLines(table, buckets);
  const recordsBytes = table.offsets[records] as number;
  const sections = placeSections(buckets, overflowLines, recordsBytes);
  checkSize(records, sections.fileBytes, input.shard);

  const { fileBytes, recordsOffset } = sections;
  const fits = input.memory !== undefined && input.memory.byteLength >= fileBytes;
  const bytes = Buffer.from(fits ? input.memory : new SharedArrayBuffer(fileBytes), 0, fileBytes);
  // The writers below leave unused entries and filling bytes as they are.
  bytes.fill(0, 0, recordsOffset);
  bytes.fill(0, recordsOffset + recordsBytes);
  input.rest?.();
  const digest = new Digest();
  const { lanes } = digest;
  const { keyBytes, valueBytes } = copyRecords(table, bytes, recordsOffset, lanes, input.rest);
  input.rest?.();
  writeIndex(bytes, table, buckets, recordsOffset);
  input.rest?.();
  const { keyspaceUid, shard, shardCount } = input;
  const identity = { keyspaceUid, shard, shardCount };
  const counts = { records, keyBytes, valueBytes, digest: digest.toBytes() };
  writeHeader(bytes, { ...identity, ...counts, ...sections, buckets, overflowLines, recordsBytes });
  const tableCrc = writeFooter(bytes, sections.footerOffset);

  const id = segmentId(shard, digest.toHex(), tableCrc);
  return { bytes, info: { id, ...identity, ...counts, fileBytes: bytes.length } };
}

function checkSize(records: number, fileBytes: number, shard: number): void {
  if (records <= SEGMENT_RECORDS_MAX && fileBytes <= SEGMENT_BYTES_MAX) return;
  throw new SteleError(
    'LOAD_REJECTED',
    `Shard ${shard} would hold ${records} records in ${fileBytes} bytes, over the ${SEGMENT_RECORDS_MAX} records or ${SEGMENT_BYTES_MAX} bytes of a segment; use a cluster with more shards.`,
  );
}

/** Copies the settled records to their places and adds them to `lanes` while they are in the cache. */
function copyRecords(
  table: RecordTable,
  bytes: Buffer,
  recordsOffset: number,
  lanes: Int32Array,
  rest: BuildInput['rest'],
): { keyBytes: number; valueBytes: number } {
  const { order, offsets, part, start, length, parts, settledCount } = table;
  const out = viewOf(bytes);
  const views = parts.map(viewOf);
  const bounds = newRecordBounds();
  let keyBytes = 0;
  let valueBytes = 0;
  for (let place = 0; place < settledCount; place++) {
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
    keyBytes += bounds.valueStart - bounds.keyStart;
    valueBytes += bounds.end - bounds.valueStart;
    if (rest !== undefined && place % RECORDS_PER_STEP === 0) rest();
  }
  return { keyBytes, valueBytes };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
