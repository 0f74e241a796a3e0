// Runs a backup, a restore or an export: shows its progress, and ends it in order when a signal comes.

import { monotonicNowMs } from '../../base/clock.ts';
import { SteleError } from '../../base/errors.ts';
import type { TransferHooks } from '../../loader/transfer/open-transfer.ts';
import type { TransferProgress } from '../../loader/transfer/transfer-progress.ts';
import { EXIT_OK, errorJson, reportNotice } from '../exit.ts';
import { untilInterrupted } from '../interruption.ts';
import { ProgressDisplay } from '../load/progress-display.ts';
import type { Output } from '../output.ts';
import type { GlobalSettings } from '../verb.ts';
import { commandText } from '../words.ts';
import { formatTransfer } from './transfer-display.ts';

/** `run` returns what prints the result, and returns the exit code unless that is 0. */
export async function watched(
  output: Output,
  global: GlobalSettings,
  isJson: boolean,
  run: (hooks: TransferHooks) => Promise<() => number | void>,
): Promise<number> {
  const { createLogger } = await import('../../base/log.ts');
  const log = createLogger('archive', global);
  const display = new ProgressDisplay<TransferProgress>(output, monotonicNowMs, formatTransfer);
  return untilInterrupted(async (signal) => {
    try {
      const print = await run({
        log,
        signal,
        ...(isJson ? {} : { onProgress: (progress) => display.update(progress) }),
        onNotice: (sentence) => {
          if (isJson) reportNotice(output, `${sentence}.`, true);
          else display.note(`stele: ${sentence}.`);
        },
      });
      display.finish();
      return print() ?? EXIT_OK;
    } catch (thrown) {
      display.finish();
      if (thrown instanceof SteleError && thrown.code === 'CANCELLED' && signal.aborted) {
        const text = `Interrupted; what was copied stays. To go on: ${commandText(process.argv.slice(2))}`;
        output.errorLine(isJson ? errorJson('CANCELLED', text) : `stele: ${text}`);
      }
      throw thrown;
    }
  });
}
