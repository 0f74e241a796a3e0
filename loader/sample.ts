// `stele load --sample N`: the first records as they would be stored. Reads the beginning of the input
// only: of what must be unpacked or comes from a stream, no more than SPOOLED_BYTES_MAX.

import { SteleError } from '../base/errors.ts';
import { keyspaceName } from '../base/ids.ts';
import { cutIntoChunks } from './chunks.ts';
import type { Chunk } from './chunks.ts';
import { dialectsOf } from './found-dialect.ts';
import type { FoundDialect } from './found-dialect.ts';
import type { InputFile } from './inputs.ts';
import { prepareContext, withLoadRun } from './load-run.ts';
import type { RunHooks } from './load-run.ts';
import { parseChunk } from './parse-chunk.ts';
import { newParseContext } from './parse-context.ts';
import type { ParseContext } from './parse-context.ts';
import { prepareInputs } from './prepare.ts';
import { readRange } from './file-window.ts';
import type { LoadSettings } from './settings.ts';
import { needsSpool } from './spool.ts';

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
    const context = { ...prepareContext(run), spoolBytesMax: SPOOLED_BYTES_MAX };
    const looked: InputFile[] = [];
    const records: SampleRecord[] = [];
    let rejected = 0;
    // One after the other: the first is mostly enough, and unpacking all would take its time.
    for (const input of run.found) {
      if (records.length === count) break;
      if (!input.isStream && input.sizeBytes === 0) continue;
      const { inputs } = await prepareInputs([input], settings, context);
      const sample = readSample(inputs, count - records.length);
      records.push(...sample.records);
      rejected += sample.rejected;
      looked.push(...inputs);
    }
    if (looked.length === 0) throw new SteleError('INPUT_INVALID', 'The input is empty.');
    return { keyspace, dialects: dialectsOf(looked), records, rejected };
  });
}

/** The first `count` records of all inputs, in order. */
export function readSample(
  inputs: readonly InputFile[],
  count: number,
): Pick<SampleReport, 'records' | 'rejected'> {
  const records: SampleRecord[] = [];
  let rejected = 0;
  for (const chunk of cutIntoChunks(inputs, CHUNK_BYTES)) {
    if (records.length >= count) break;
    const input = inputs[chunk.file] as InputFile;
    const context = newParseContext(input.dialect, 1);
    parseChunk(context, readRange(input.readPath, chunk.start, chunk.end));
    rejected += context.rows.rejects.count;
    takeRecords(context, isTorn(input, chunk), count, records);
  }
  return { records, rejected };
}

/** Whether the last row of the chunk is cut off: the input went on where its spool does not. */
function isTorn(input: InputFile, { end }: Chunk): boolean {
  return needsSpool(input) && end === input.sizeBytes && end >= SPOOLED_BYTES_MAX;
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
