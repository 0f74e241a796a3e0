// The summary at the end of a load, as text or JSON.

import type { LoadSummary } from '../../loader/load.ts';
import { formatBytes } from '../../base/units.ts';
import { formatCount } from '../text-table.ts';
import { snakeCased } from '../json-output.ts';
import { counted } from '../words.ts';

/** The rate of a shorter load would mostly measure its overhead. */
const RATE_SECONDS_MIN = 1;

/** The last lines of `stele load`. */
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

/** The rate, unless the load was too short for a meaningful one. */
function rateText({ rowsPerSecond, seconds }: LoadSummary): string {
  if (seconds < RATE_SECONDS_MIN) return '';
  return `, ${formatCount(Math.round(rowsPerSecond))} rows/s`;
}

/**
 * Rows whose values span lines: if they are many, each may be a stray quote. Also used for a dry
 * run.
 */
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

/** For a version that went live with fewer copies than its keyspace should have. */
function copiesLines({ replicas, replication }: LoadSummary): string[] {
  if (replicas >= replication) return [];
  return [
    `copies    ${replicas} of ${replication}; the others are made when datanodes are back (\`stele status\`)`,
  ];
}

/** One line, for `stele up --load`. */
export function shortSummary(summary: LoadSummary): string {
  const { keyspace, version } = summary;
  if (summary.alreadyCurrent) return `${keyspace}: version ${version} already holds this input`;
  return `${keyspace}: version ${version}, ${counted(summary.loaded, 'key')} in ${summary.seconds.toFixed(2)} s (${summary.input.text})`;
}

/** The last line under `-o json`. */
export function summaryJson(summary: LoadSummary): string {
  const { alreadyCurrent, chunksResumed, rowsPerSecond, shardsResumed } = summary;
  // Earlier names of some counts, in camelCase, which scripts may read.
  const older = { alreadyCurrent, chunksResumed, rowsPerSecond, shardsResumed };
  return JSON.stringify({ ...snakeCased(summary), ...older });
}
