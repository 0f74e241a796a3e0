// One key with two values: the sentence that says where. The place is found by parsing the chunks in
// question once more; that happens once, before the load gives up.

import { SteleError } from '../base/errors.ts';
import { shorten } from '../base/ids.ts';
import type { ConflictSample } from './build-task.ts';
import type { LoadState, ParsedChunk } from './load-state.ts';
import { locateRow } from './locate-row.ts';

/** DUPLICATE_KEY with the key, both values and where they are. */
export function conflictError(
  state: LoadState,
  chunks: readonly ParsedChunk[],
  conflict: ConflictSample,
): SteleError {
  const first = describe(state, chunks, conflict.firstChunk, conflict.key, conflict.firstValue);
  const second = describe(state, chunks, conflict.secondChunk, conflict.key, conflict.secondValue);
  const key = shorten(Buffer.from(conflict.key).toString('utf8'));
  return new SteleError(
    'DUPLICATE_KEY',
    `The key '${key}' has two values: ${first}, and ${second}. Nothing was loaded; mend the input, or choose with --on-conflict first or last.`,
  );
}

function describe(
  state: LoadState,
  chunks: readonly ParsedChunk[],
  index: number,
  key: Uint8Array,
  value: Uint8Array,
): string {
  const text = `'${shorten(Buffer.from(value).toString('utf8'), 40)}'`;
  const parsed = chunks[index];
  const input = parsed && state.prepared.inputs[parsed.chunk.file];
  if (parsed === undefined || input === undefined) return text;
  const { end, start } = parsed.chunk;
  const offset = locateRow(input.readPath, parsed.chunk, input.dialect, key, value);
  const place = offset === undefined ? `between bytes ${start} and ${end}` : `near byte ${offset}`;
  return `${text} in ${shorten(input.path, 120)} ${place}`;
}
