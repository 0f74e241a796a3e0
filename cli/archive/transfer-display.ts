// The progress of a backup, a restore or an export, on one line.

import { formatBytes, formatDuration } from '../../base/units.ts';
import type { TransferProgress, TransferStage } from '../../loader/transfer/transfer-progress.ts';
import { drawBar } from '../load/progress-display.ts';
import { formatCount } from '../text-table.ts';

const WORDS: Readonly<Record<TransferStage, string>> = {
  plan: 'comparing',
  copy: 'copying',
  push: 'restoring',
  pull: 'pulling',
  rows: 'reading',
  write: 'writing',
  check: 'checking',
  commit: 'committing',
};

export function formatTransfer(progress: TransferProgress, bar: boolean): string {
  const { bytesDone, bytesPerSecond, bytesTotal, etaMs, objectsDone, objectsTotal, stage } =
    progress;
  const parts: string[] = [WORDS[stage]];
  if (objectsTotal === 0) return parts.join('  ');
  const share = bytesTotal > 0 ? bytesDone / bytesTotal : objectsDone / objectsTotal;
  if (bar) parts.push(drawBar(share));
  parts.push(`${Math.floor(share * 100)}%`.padStart(4));
  parts.push(`${formatCount(objectsDone)} of ${formatCount(objectsTotal)}`);
  if (bytesTotal > 0) {
    parts.push(`${formatBytes(bytesDone)} of ${formatBytes(bytesTotal)}`);
    parts.push(`${formatBytes(bytesPerSecond)}/s`);
  }
  if (etaMs !== undefined && etaMs > 0) parts.push(`${formatDuration(etaMs)} left`);
  return parts.join('  ');
}
