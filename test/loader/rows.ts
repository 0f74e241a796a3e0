// What the loader's tests share: rows out of a parse context, fast-check settings.

import type { Parameters } from 'fast-check';
import type { ParseContext } from '../../loader/parse-context.ts';

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

/** fast-check prints its seed with a counterexample; STELE_TEST_SEED runs that one again. */
export function runs<Values>(numRuns: number): Parameters<Values> {
  const seed = process.env['STELE_TEST_SEED'];
  return seed === undefined ? { numRuns } : { numRuns, seed: Number(seed) };
}
