// What `stele load --segments` and `stele commit` share: a load whose datanodes pull segments.

import type { SettingSource } from '../../base/config.ts';
import { SteleError } from '../../base/errors.ts';
import type { LoadSummary } from '../../loader/load.ts';
import type { TransferHooks } from '../../loader/transfer/open-transfer.ts';
import { watched } from '../archive/watched.ts';
import type { Output } from '../output.ts';
import type { GlobalSettings } from '../verb.ts';
import { formatSummary, summaryJson } from './load-summary.ts';

/** Flags of `stele load` that say how rows are read and built. */
const OF_ROWS = [
  'format',
  'key',
  'value',
  'header',
  'delimiter',
  'hiveColumns',
  'comment',
  'skipLines',
  'trim',
  'maxLinesPerValue',
  'onConflict',
  'chunkSize',
  'workers',
  'memoryMax',
  'maxRejects',
  'rejects',
  'workDir',
  'noResume',
  'dryRun',
  'shards',
  'sample',
] as const;

/** Throws INVALID_ARGUMENT for a flag that would be ignored: finished segments have no rows to read. */
export function refuseRowFlags(sources: ReadonlyMap<string, SettingSource>): void {
  const given = OF_ROWS.find((property) => sources.get(property) === 'flag');
  if (given === undefined) return;
  const flag = given.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const text = `--${flag} says how rows are read, and --segments loads segments that are finished; leave one of them out.`;
  throw new SteleError('INVALID_ARGUMENT', text);
}

/** Returns the exit code. */
export function showLoad(
  output: Output,
  global: GlobalSettings,
  isJson: boolean,
  run: (hooks: TransferHooks) => Promise<LoadSummary>,
): Promise<number> {
  return watched(output, global, isJson, async (hooks) => {
    const summary = await run(hooks);
    return () => output.line(isJson ? summaryJson(summary) : formatSummary(summary));
  });
}
