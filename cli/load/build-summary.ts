// What a task and a merge of `stele build` print at their end.

import { formatBytes } from '../../base/units.ts';
import type { MergeSummary } from '../../loader/builds/run-merge.ts';
import type { TaskSummary } from '../../loader/builds/run-task.ts';
import { formatCount } from '../text-table.ts';
import { counted } from '../words.ts';

export function taskText(summary: TaskSummary): string {
  const { alreadyDone, bytes, chunksResumed, input, keyspace, rejected, rows } = summary;
  const { runBytes, runs, seconds, stored, task, tasks } = summary;
  const counts = `${formatCount(rows)} read, ${formatCount(stored)} stored, ${formatCount(rejected)} rejected`;
  return [
    `keyspace  ${keyspace}, task ${task} of ${tasks}`,
    ...(input === '' ? [] : [`input     ${input}`]),
    `rows      ${counts}`,
    `runs      ${counted(runs, 'run')}, ${formatBytes(runBytes)}`,
    alreadyDone
      ? 'An earlier attempt has done it; nothing was read.'
      : `time      ${seconds.toFixed(2)} s for ${formatBytes(bytes)}`,
    ...(chunksResumed === 0
      ? []
      : [`resumed   ${counted(chunksResumed, 'chunk')} were done before`]),
  ].join('\n');
}

export function mergeText(summary: MergeSummary): string {
  const { alreadyDone, digest, duplicates, first, keyspace, last, overruled } = summary;
  const { records, rows, seconds, segmentBytes, segments, shardCount, tasks } = summary;
  const settled = overruled === 0 ? '' : ` (${formatCount(overruled)} with another value)`;
  return [
    `keyspace  ${keyspace}, shards ${first} to ${last} of ${shardCount}, from ${counted(tasks, 'task')}`,
    `rows      ${formatCount(rows)} read, ${formatCount(records)} kept, ${counted(duplicates, 'duplicate')}${settled}`,
    `segments  ${counted(segments, 'segment')}, ${formatBytes(segmentBytes)}`,
    alreadyDone
      ? 'An earlier merge has done it; nothing was built.'
      : `time      ${seconds.toFixed(2)} s`,
    `digest    ${digest}`,
  ].join('\n');
}
