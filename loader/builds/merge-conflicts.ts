// Keys with two values, found while runs are merged: the input is not at hand, so that a place is
// the chunk of it that a run was made of.

import { SteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import type { Conflicts } from '../stages/conflicts.ts';
import { CONFLICT_SAMPLES_MAX } from '../threads/build-task.ts';
import type { TaskRun } from './gather-runs.ts';

const VALUE_CHARACTERS_MAX = 40;

/** DUPLICATE_KEY, naming the earliest keys, both values and the tasks that have read them. */
export function mergeConflictError(conflicts: Conflicts, runs: readonly TaskRun[]): SteleError {
  const valueIn = (value: Uint8Array, run: number): string => {
    const text = shorten(Buffer.from(value).toString('utf8'), VALUE_CHARACTERS_MAX);
    const { from = '?', task = 0 } = runs[run] ?? {};
    return `'${text}' in the chunk of ${from} (task ${task})`;
  };
  const listed = conflicts.samples.slice(0, CONFLICT_SAMPLES_MAX).map((sample) => {
    const { firstChunk, firstValue, key, secondChunk, secondValue } = sample;
    const name = shorten(Buffer.from(key).toString('utf8'));
    return `key '${name}' has two values: ${valueIn(firstValue, firstChunk)}, and ${valueIn(secondValue, secondChunk)}`;
  });
  const count = `${conflicts.isFull ? 'at least ' : ''}${conflicts.count}`;
  const more = conflicts.count > listed.length ? ` (${count} rows have another value in all)` : '';
  return new SteleError(
    'DUPLICATE_KEY',
    `The ${listed.join('; ')}${more}. Nothing was merged; correct the input and build it again, or choose with --on-conflict first or last.`,
  );
}
