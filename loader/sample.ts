// `stele load --sample N`: the first records as they would be stored. Reads only the beginning of
// the input: INPUTS_MAX files, and SPOOLED_BYTES_MAX in all of what must be unpacked or comes from
// a stream. Dialects are detected over all of these files together, as in a load.

import { keyspaceName } from '../base/ids.ts';
import { cutIntoChunks, readChunk } from './formats/chunks.ts';
import type { Chunk } from './formats/chunks.ts';
import { dialectsOf } from './detect/found-dialect.ts';
import type { FoundDialect } from './detect/found-dialect.ts';
import type { InputFile } from './input/inputs.ts';
import type { JobHooks } from './stages/load-job.ts';
import { withOpenJob } from './stages/open-job.ts';
import { parseChunk } from './formats/parse-chunk.ts';
import { newParseContext } from './parse/parse-context.ts';
import type { ParseContext } from './parse/parse-context.ts';
import { HEAD_SPOOLED_BYTES, prepareInputs } from './stages/prepare.ts';
import type { LoadSettings } from './settings.ts';
import { needsSpool } from './input/spool.ts';

const INPUTS_MAX = 64;
const CHUNK_BYTES = 256 * 1024;
const SPOOLED_BYTES_MAX = 32 * 1024 * 1024;
/** Bytes of one value that are kept. */
const VALUE_BYTES_SHOWN_MAX = 64 * 1024;

export interface SampleRecord {
  readonly key: Buffer;
  /** Cut at VALUE_BYTES_SHOWN_MAX. */
  readonly value: Buffer;
  readonly valueBytes: number;
}

export interface SampleReport {
  readonly keyspace: string;
  /** Dialects of the inputs that were read. */
  readonly dialects: readonly FoundDialect[];
  readonly records: readonly SampleRecord[];
  /** Bad rows in what was read. */
  readonly rejected: number;
}

/** Throws what a load throws for an input that no load can take. */
export async function runSample(
  settings: LoadSettings,
  count: number,
  hooks: JobHooks = {},
): Promise<SampleReport> {
  const keyspace = keyspaceName(settings.keyspace);
  return await withOpenJob(settings, hooks, { isDry: true }, async (job) => {
    const found = job.found.slice(0, INPUTS_MAX);
    const spooledCount = Math.max(1, found.filter(needsSpool).length);
    const share = Math.floor(SPOOLED_BYTES_MAX / spooledCount);
    const spoolBytesMax = Math.max(HEAD_SPOOLED_BYTES, share);
    const { inputs } = await prepareInputs(job, found, { spoolBytesMax });
    const sample = readSample(inputs, count, spoolBytesMax);
    return { keyspace, dialects: dialectsOf(inputs), ...sample };
  });
}

/**
 * The first `count` records of all inputs, in order. Spooled inputs end after `spoolBytesMax`
 * bytes, so their last row may be cut off.
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
    parseChunk(context, readChunk(inputs, chunk), chunk);
    rejected += context.rows.rejects.count;
    takeRecords(context, isTorn(input, chunk, spoolBytesMax), count, records);
  }
  return { records, rejected };
}

/** Whether the last row of the chunk may be cut off, because the spool ends before its input. */
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
