// What the loader's tests share: rows out of a parse context, fast-check settings.

import type { Parameters } from 'fast-check';
import { formatNamed } from '../../loader/formats/formats.ts';
import type { ParseContext } from '../../loader/parse/parse-context.ts';
import { reasonWithPlace } from '../../loader/parse/reject-table.ts';

/** The rows as text, in order. */
export function rowsOf(
  context: ParseContext,
  encoding: BufferEncoding = 'utf8',
): [string, string][] {
  const { count, keyEnd, keyStart, source, valueEnd, valueStart } = context.rows;
  const text = (start: number, end: number): string =>
    Buffer.from(source.subarray(start, end)).toString(encoding);
  return Array.from({ length: count }, (_, row) => [
    text(keyStart[row]!, keyEnd[row]!),
    text(valueStart[row]!, valueEnd[row]!),
  ]);
}

/** A bad row as it is shown to people. */
export interface ListedReject {
  readonly offset: number;
  readonly line: number;
  readonly reason: string;
  readonly raw: string;
}

/** The bad rows of `chunk`, which lies at `chunkOffset` of its file. */
export function rejectsOf(
  { dialect, rows: { rejects } }: ParseContext,
  chunk: Buffer,
  chunkOffset = 0,
): ListedReject[] {
  return Array.from({ length: rejects.count }, (_, row) => ({
    offset: chunkOffset + rejects.start[row]!,
    line: rejects.line[row]!,
    reason: reasonWithPlace(rejects, row, chunkOffset, formatNamed(dialect.format).tellsColumns),
    raw: chunk.toString('utf8', rejects.start[row], rejects.end[row]),
  }));
}

/** fast-check prints its seed with a counterexample; STELE_TEST_SEED runs that one again. */
export function runs<Values>(numRuns: number): Parameters<Values> {
  const seed = process.env['STELE_TEST_SEED'];
  return seed === undefined ? { numRuns } : { numRuns, seed: Number(seed) };
}
