// How a load ended, for people and for programs.

import type { LoadSummary } from '../../loader/load.ts';
import { formatBytes } from '../../base/units.ts';
import { formatCount } from '../table.ts';
import { snakeCased } from '../json-output.ts';

/** Shorter loads are mostly the time that anything takes. */
const RATE_SECONDS_MIN = 1;

/** The lines that `stele load` ends with. */
export function formatSummary(summary: LoadSummary): string {
  if (summary.alreadyCurrent) return shortSummary(summary);
  const { overruled } = summary;
  const settled = overruled === 0 ? '' : ` (${formatCount(overruled)} with another value)`;
  const lines = [
    `keyspace  ${summary.keyspace}, version ${summary.version}`,
    `input     ${summary.input.text}`,
    `rows      ${formatCount(summary.rows)} read, ${formatCount(summary.loaded)} loaded, ${counted(summary.duplicates, 'duplicate')}${settled}, ${formatCount(summary.rejected)} rejected`,
    ...spanningLines(summary.rowsOverLines),
    ...appendLines(summary),
    ...copiesLines(summary),
    `time      ${summary.seconds.toFixed(2)} s for ${formatBytes(summary.bytes)}${rateText(summary)}`,
    `digest    ${summary.digest}`,
  ];
  const { chunksResumed, shardsResumed } = summary;
  if (chunksResumed + shardsResumed === 0) return lines.join('\n');
  return [
    ...lines,
    `resumed   ${counted(chunksResumed, 'chunk')} and ${counted(shardsResumed, 'shard')} were done before`,
  ].join('\n');
}

/** Of a load that took its time; a rate of some rows in a fraction of a second says nothing. */
function rateText({ rowsPerSecond, seconds }: LoadSummary): string {
  if (seconds < RATE_SECONDS_MIN) return '';
  return `, ${formatCount(Math.round(rowsPerSecond))} rows/s`;
}

/** `1 key`, `2,000 keys`. */
function counted(count: number, what: string): string {
  return `${formatCount(count)} ${what}${count === 1 ? '' : 's'}`;
}

/** Many of them may be one stray quote each. Also for a dry run. */
export function spanningLines(count: number): string[] {
  if (count === 0) return [];
  const many = count === 1 ? '1 row has a value' : `${formatCount(count)} rows have values`;
  return [`lines     ${many} with line ends in quotes`];
}

function appendLines({ append, records }: LoadSummary): string[] {
  if (append === undefined) return [];
  const { added, baseVersion, replaced, unchanged } = append;
  const on = baseVersion === 0 ? 'to nothing' : `to version ${baseVersion}`;
  return [
    `appended  ${on}: ${counted(added, 'key')} added, ${formatCount(replaced)} replaced, ${formatCount(unchanged)} unchanged; ${formatCount(records)} in all`,
  ];
}

/** Of a version that went live with fewer copies than it is to have. */
function copiesLines({ replicas, replication }: LoadSummary): string[] {
  if (replicas >= replication) return [];
  return [
    `copies    ${replicas} of ${replication}; the others are made when datanodes are back (\`stele status\`)`,
  ];
}

/** One line, for `stele up --load`. */
export function shortSummary(summary: LoadSummary): string {
  const { keyspace, version } = summary;
  if (summary.alreadyCurrent)
    return `${keyspace}: version ${version} holds this very input already`;
  return `${keyspace}: version ${version}, ${counted(summary.loaded, 'key')} in ${summary.seconds.toFixed(2)} s (${summary.input.text})`;
}

/** The one line that `-o json` ends with. */
export function summaryJson(summary: LoadSummary): string {
  const { alreadyCurrent, chunksResumed, rowsPerSecond, shardsResumed } = summary;
  // The names of multi-word counts before all JSON was spelled alike; scripts may read them.
  const older = { alreadyCurrent, chunksResumed, rowsPerSecond, shardsResumed };
  return JSON.stringify({ ...snakeCased(summary), ...older });
}
