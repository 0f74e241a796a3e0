// How a load ended, for people and for programs.

import type { LoadSummary } from '../loader/load.ts';
import { formatBytes } from '../base/units.ts';
import { formatCount } from './table.ts';

/** The lines that `stele load` ends with. */
export function formatSummary(summary: LoadSummary): string {
  if (summary.alreadyCurrent) return shortSummary(summary);
  const resumed =
    summary.chunksResumed > 0 ? ` (${formatCount(summary.chunksResumed)} resumed)` : '';
  return [
    `keyspace    ${summary.keyspace}, version ${summary.version}`,
    `rows        ${formatCount(summary.rowsRead)} read, ${formatCount(summary.loaded)} loaded, ${formatCount(summary.duplicates)} duplicates, ${formatCount(summary.rejected)} rejected`,
    `input       ${formatBytes(summary.bytes)} in ${formatCount(summary.chunks)} chunks${resumed}`,
    `time        ${summary.seconds.toFixed(2)} s, ${formatCount(Math.round(summary.rowsPerSecond))} rows/s`,
    `digest      ${summary.digest}`,
  ].join('\n');
}

/** One line, for `stele up --load`. */
export function shortSummary(summary: LoadSummary): string {
  const { keyspace, version } = summary;
  if (summary.alreadyCurrent)
    return `${keyspace}: version ${version} holds this very input already`;
  return `${keyspace}: version ${version}, ${formatCount(summary.loaded)} keys in ${summary.seconds.toFixed(2)} s`;
}

/** The one line that `-o json` ends with. */
export function summaryJson(summary: LoadSummary): string {
  return JSON.stringify(summary);
}
