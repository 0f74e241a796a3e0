// Decides how an input is cut before the first chunk is parsed, based on the memory cost of its
// first rows: rows of a wide table whose values become JSON objects take ten times as much as plain
// lines. Later rows may cost more; their task then stops at its memory budget and is retried with
// more.

import { BUFFER_PEAK_FACTOR } from '../bytes/growable-buffer.ts';
import type { GrowableBuffer } from '../bytes/growable-buffer.ts';
import type { InputFile, PreparedInput } from '../input/inputs.ts';
import { cutIntoChunks, readChunk } from '../formats/chunks.ts';
import { parseChunk } from '../formats/parse-chunk.ts';
import { newParseContext } from '../parse/parse-context.ts';
import { REJECT_PEAK_BYTES } from '../parse/reject-table.ts';
import { ROW_TABLE_PEAK_BYTES } from '../parse/row-table.ts';
import type { RowTable } from '../parse/row-table.ts';
import type { LoadSettings } from '../settings.ts';
import { chunkBytesWithin, chunkCost } from './memory-plan.ts';
import type { RowCost } from './memory-plan.ts';

const CHUNKS_AIMED_AT = 16;
/** Of a share of the input, whose chunks are otherwise as large as those of all of it. */
const CHUNKS_OF_SHARE_MIN = 4;
const ADAPTED_CHUNK_BYTES_MIN = 1024 * 1024;
/** Each chunk has a run file, and a few numbers per shard in memory. */
const CHUNKS_MAX = 16_384;

const HEAD_BYTES = 256 * 1024;
/**
 * A longer first row is not measured: long rows cost themselves twice, in the chunk and in the run.
 */
const FIRST_CHUNK_BYTES_MAX = 4 * 1024 * 1024;
/** Inputs that are measured, one of each dialect. */
const INPUTS_MAX = 8;
/** Later rows may cost somewhat more than the first. */
export const PARSE_MARGIN = 1.25;
/** Assumed if nothing can be measured. */
const UNKNOWN: RowCost = { parseFactor: 4, recordFactor: 1, recordBytes: 64 };

/** How an input is cut into chunks, and what its rows cost. */
export interface ChunkPlan {
  readonly chunkBytes: number;
  readonly rowCost: RowCost;
  /** Memory that parsing such a chunk takes, estimated from the first rows. */
  readonly shareBytes: number;
}

/**
 * The chunk size is at most `--chunk-size`; less for an input of few chunks, so that all workers
 * get an even share, and if memory is short. A share of an input has chunks as large as one load of
 * the whole would, so that there are no more runs than that would make. Depends on settings and input alone, so a resumed load
 * cuts in the same places.
 */
export function planChunks(
  { bytesTotal, inputs, wholeBytes = bytesTotal }: PreparedInput,
  { chunkSize, memoryMax }: Pick<LoadSettings, 'chunkSize' | 'memoryMax'>,
): ChunkPlan {
  const rowCost = measureRowCost(inputs);
  const ofWhole = Math.min(wholeBytes / CHUNKS_AIMED_AT, bytesTotal / CHUNKS_OF_SHARE_MIN);
  const ofShare = Math.max(ofWhole, bytesTotal / CHUNKS_AIMED_AT);
  const even = Math.max(ADAPTED_CHUNK_BYTES_MIN, Math.ceil(ofShare));
  const wanted = Math.max(Math.min(chunkSize, even), Math.ceil(bytesTotal / CHUNKS_MAX));
  const chunkBytes = chunkBytesWithin(wanted, rowCost, memoryMax);
  return { chunkBytes, rowCost, shareBytes: chunkCost(chunkBytes, rowCost) };
}

/** The cost of the most expensive rows among the first inputs of each dialect. */
export function measureRowCost(inputs: readonly InputFile[]): RowCost {
  const seen = new Set<string>();
  const costs: RowCost[] = [];
  for (const input of inputs) {
    const dialect = JSON.stringify(input.dialect);
    if (seen.has(dialect) || costs.length === INPUTS_MAX) continue;
    seen.add(dialect);
    costs.push(costOf(input));
  }
  return {
    parseFactor: Math.max(...costs.map((cost) => cost.parseFactor)),
    recordFactor: Math.max(...costs.map((cost) => cost.recordFactor)),
    recordBytes: Math.min(...costs.map((cost) => cost.recordBytes)),
  };
}

/**
 * Bytes that the rows of a chunk take in addition to the chunk: tables, assembled values, the run.
 */
export function bytesOfParsed(rows: RowTable, assembled: GrowableBuffer): number {
  const tables = rows.count * ROW_TABLE_PEAK_BYTES + rows.rejects.count * REJECT_PEAK_BYTES;
  return tables + assembled.length * BUFFER_PEAK_FACTOR + encodedBytes(rows);
}

function encodedBytes({ shardBytes }: RowTable): number {
  return shardBytes.reduce((sum, byteCount) => sum + byteCount, 0);
}

function costOf(input: InputFile): RowCost {
  const [chunk] = cutIntoChunks([input], HEAD_BYTES);
  const byteCount = chunk === undefined ? 0 : chunk.end - chunk.start;
  if (chunk === undefined || byteCount > FIRST_CHUNK_BYTES_MAX) return UNKNOWN;
  const context = newParseContext(input.dialect, 1);
  parseChunk(context, readChunk([input], chunk), chunk);
  const { assembled, rows } = context;
  const encoded = encodedBytes(rows);
  return {
    parseFactor: (1 + bytesOfParsed(rows, assembled) / byteCount) * PARSE_MARGIN,
    recordFactor: encoded / byteCount,
    recordBytes: rows.count === 0 ? UNKNOWN.recordBytes : encoded / rows.count,
  };
}
