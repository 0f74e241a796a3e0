// Runs a load, a task or a merge: shows its progress, and ends it in order when a signal comes.

import { monotonicNowMs } from '../../base/clock.ts';
import { SteleError } from '../../base/errors.ts';
import type { JobHooks } from '../../loader/stages/load-job.ts';
import { errorJson, exitCodeOfSignal, INTERRUPT_SIGNALS, reportNotice } from '../exit.ts';
import type { InterruptSignal } from '../exit.ts';
import type { Output } from '../output.ts';
import { formatProgress, ProgressDisplay } from './progress-display.ts';

/** The end of a run: its exit code, and what it prints after the progress bar is removed. */
export interface Ending {
  readonly code: number;
  readonly write: () => void;
}

/**
 * Runs `body`, shows its progress and handles signals; returns the exit code. `interrupted` is what
 * people are to know when a signal has ended it.
 */
export async function watchedJob(
  output: Output,
  isJson: boolean,
  interrupted: string,
  body: (hooks: JobHooks) => Promise<Ending>,
): Promise<number> {
  const display = isJson ? undefined : new ProgressDisplay(output, monotonicNowMs, formatProgress);
  const onNotice = (sentence: string): void => {
    if (display === undefined) reportNotice(output, `${sentence}.`, true);
    else display.note(`stele: ${sentence}.`);
  };
  const interrupt = watchForInterrupt();
  try {
    const { signal } = interrupt;
    const ending = await body({
      onProgress: (sample) => display?.update(sample),
      onNotice,
      signal,
    });
    display?.finish();
    ending.write();
    return ending.code;
  } catch (thrown) {
    display?.finish();
    const signal = interrupt.received();
    if (signal === undefined) throw thrown;
    output.errorLine(isJson ? errorJson('CANCELLED', interrupted) : `stele: ${interrupted}`);
    return exitCodeOfSignal(signal);
  }
}

function watchForInterrupt() {
  const controller = new AbortController();
  let received: InterruptSignal | undefined;
  const onSignal = (signal: InterruptSignal): void => {
    if (received !== undefined) process.exit(exitCodeOfSignal(signal));
    received = signal;
    controller.abort(new SteleError('CANCELLED', 'The load was interrupted.'));
  };
  for (const signal of INTERRUPT_SIGNALS) process.on(signal, onSignal);
  return { signal: controller.signal, received: () => received };
}
