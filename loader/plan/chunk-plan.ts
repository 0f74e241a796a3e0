// How an input is cut into chunks, decided before the first is parsed.

import { measureRowCost } from './head-cost.ts';
import { chunkBytesWithin, chunkCost } from './memory-plan.ts';
import type { RowCost } from './memory-plan.ts';
import type { PreparedInput } from '../input/inputs.ts';
import type { LoadSettings } from '../settings.ts';

const CHUNKS_AIMED_AT = 16;
const ADAPTED_CHUNK_BYTES_MIN = 1024 * 1024;
/** Each has a run file, and a few numbers for each shard in memory. */
const CHUNKS_MAX = 16_384;

/** How an input is cut, and what its rows cost. */
export interface ChunkPlan {
  readonly chunkBytes: number;
  readonly rowCost: RowCost;
  /** Memory that parsing such a chunk takes, as far as the first rows tell. */
  readonly shareBytes: number;
}

/**
 * The chunk size in force: `--chunk-size` at most, less for an input of a few chunks, so that all
 * workers get an even share, and where memory is short. A function of settings and input alone: a
 * resumed load cuts the same.
 */
export function planChunks(
  { bytesTotal, inputs }: PreparedInput,
  { chunkSize, memoryMax }: Pick<LoadSettings, 'chunkSize' | 'memoryMax'>,
): ChunkPlan {
  const rowCost = measureRowCost(inputs);
  const even = Math.max(ADAPTED_CHUNK_BYTES_MIN, Math.ceil(bytesTotal / CHUNKS_AIMED_AT));
  const wanted = Math.max(Math.min(chunkSize, even), Math.ceil(bytesTotal / CHUNKS_MAX));
  const chunkBytes = chunkBytesWithin(wanted, rowCost, memoryMax);
  return { chunkBytes, rowCost, shareBytes: chunkCost(chunkBytes, rowCost) };
}
