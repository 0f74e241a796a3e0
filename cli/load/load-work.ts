// `stele load --list-work` and `--clear-work`: shows and deletes what interrupted loads have left.

import { formatBytes, formatDuration } from '../../base/units.ts';
import { shorten } from '../../base/ids.ts';
import type { WorkEntry } from '../../loader/work/work-list.ts';
import { printJson } from '../json-output.ts';
import type { Output } from '../output.ts';
import { formatTable } from '../text-table.ts';

const COLUMNS = [
  { title: 'ID' },
  { title: 'KEYSPACE' },
  { title: 'INPUT' },
  { title: 'IDLE', align: 'right' },
  { title: 'SIZE', align: 'right' },
  { title: 'STAGE' },
  { title: 'STATE' },
] as const;

/** Writes the list of work. */
export function writeWork(output: Output, entries: readonly WorkEntry[], isJson: boolean): void {
  if (isJson) printJson(output, entries);
  else if (entries.length === 0) output.line('No load has left anything.');
  else output.line(formatTable(COLUMNS, entries.map(toCells)));
}

/** Writes what was deleted. */
export function writeCleared(output: Output, entries: readonly WorkEntry[], isJson: boolean): void {
  if (isJson) {
    printJson(output, entries);
    return;
  }
  const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
  const what = entries.length === 1 ? '1 work folder' : `${entries.length} work folders`;
  output.line(`${what} deleted, ${formatBytes(bytes)}.`);
}

function toCells({ bytes, id, idleMs, keyspace, paths, stage, state }: WorkEntry): string[] {
  const more = paths.length > 1 ? ` and ${paths.length - 1} more` : '';
  const input = `${shorten(paths[0] ?? '', 60)}${more}`;
  return [id, keyspace, input, formatDuration(idleMs), formatBytes(bytes), stage, state];
}
