// `stele load --sample N`: the first records as they would be stored. Reads the beginning of the input
// only: INPUTS_MAX files, and of what must be unpacked or comes from a stream no more than
// SPOOLED_BYTES_MAX in all. The files are looked at together, as a load does.

import { keyspaceName } from '../base/ids.ts';
import { cutIntoChunks } from './parse/chunks.ts';
import type { Chunk } from './parse/chunks.ts';
import { dialectsOf } from './parse/found-dialect.ts';
import type { FoundDialect } from './parse/found-dialect.ts';
import type { InputFile } from './input/inputs.ts';
import { prepareContext, withLoadRun } from './stages/load-run.ts';
import type { RunHooks } from './stages/load-run.ts';
import { parseChunk } from './parse/parse-chunk.ts';
import { newParseContext } from './parse/parse-context.ts';
import type { ParseContext } from './parse/parse-context.ts';
import { prepareInputs } from './stages/prepare.ts';
import { readRange } from './bytes/file-window.ts';
import type { LoadSettings } from './settings.ts';
import { needsSpool } from './input/spool.ts';

const INPUTS_MAX = 64;
/** Enough for the head of a file. */
const SPOOLED_BYTES_MIN = 2 * 1024 * 1024;
const CHUNK_BYTES = 256 * 1024;
const SPOOLED_BYTES_MAX = 32 * 1024 * 1024;
/** Of one value that are kept. */
const VALUE_BYTES_SHOWN_MAX = 64 * 1024;

export interface SampleRecord {
  readonly key: Buffer;
  /** The beginning, where it is longer than VALUE_BYTES_SHOWN_MAX. */
  readonly value: Buffer;
  readonly valueBytes: number;
}

export interface SampleReport {
  readonly keyspace: string;
  /** Of the inputs that were looked at. */
  readonly dialects: readonly FoundDialect[];
  readonly records: readonly SampleRecord[];
  /** Bad rows in what was looked at. */
  readonly rejected: number;
}

/** Throws what a load throws for an input that cannot be loaded at all. */
export async function runSample(
  settings: LoadSettings,
  count: number,
  hooks: RunHooks = {},
): Promise<SampleReport> {
  const keyspace = keyspaceName(settings.keyspace);
  return await withLoadRun(settings, hooks, true, async (run) => {
    const found = run.found.slice(0, INPUTS_MAX);
    const spooledCount = Math.max(1, found.filter(needsSpool).length);
    const share = Math.floor(SPOOLED_BYTES_MAX / spooledCount);
    const spoolBytesMax = Math.max(SPOOLED_BYTES_MIN, share);
    const context = { ...prepareContext(run), spoolBytesMax };
    const { inputs } = await prepareInputs(found, settings, context);
    const sample = readSample(inputs, count, spoolBytesMax);
    return { keyspace, dialects: dialectsOf(inputs), ...sample };
  });
}

/**
 * The first `count` records of all inputs, in order. Of spooled ones there are only the first
 * `spoolBytesMax` bytes.
 */
export function readSample(
  inputs: readonly InputFile[],
  count: number,
  spoolBytesMax = Infinity,
): Pick<SampleReport, 'records' | 'rejected'> {
  const records: SampleRecord[] = [];
  let rejected = 0;
  for (const chunk of cutIntoChunks(inputs, CHUNK_BYTES)) {
    if (records.length >= count) break;
    const input = inputs[chunk.file] as InputFile;
    const context = newParseContext(input.dialect, 1);
    parseChunk(context, readRange(input.readPath, chunk.start, chunk.end));
    rejected += context.rows.rejects.count;
    takeRecords(context, isTorn(input, chunk, spoolBytesMax), count, records);
  }
  return { records, rejected };
}

/** Whether the last row of the chunk is cut off: the input went on where its spool does not. */
function isTorn(input: InputFile, { end }: Chunk, spoolBytesMax: number): boolean {
  return needsSpool(input) && end === input.sizeBytes && end >= spoolBytesMax;
}

function takeRecords(
  { rows }: ParseContext,
  isLastTorn: boolean,
  count: number,
  records: SampleRecord[],
): void {
  const rowCount = rows.count - (isLastTorn ? 1 : 0);
  for (let row = 0; row < rowCount && records.length < count; row++) {
    const valueStart = rows.valueStart[row] as number;
    const valueEnd = rows.valueEnd[row] as number;
    const shownEnd = Math.min(valueEnd, valueStart + VALUE_BYTES_SHOWN_MAX);
    records.push({
      key: Buffer.from(rows.source.slice(rows.keyStart[row], rows.keyEnd[row])),
      value: Buffer.from(rows.source.slice(valueStart, shownEnd)),
      valueBytes: valueEnd - valueStart,
    });
  }
}
