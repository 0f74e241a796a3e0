// Waiting for a state of the cluster, by asking again and again.

import { monotonicNowMs, sleep } from '../base/clock.ts';
import { SteleError } from '../base/errors.ts';
import { formatDuration } from '../base/units.ts';

const LOOK_MS = 200;
/** How often it is said what is awaited. */
const REPORT_MS = 5_000;

export interface WaitOptions {
  readonly deadlineMs: number;
  /** Gets a line for people now and then. */
  readonly report: (line: string) => void;
  /** What became of it, and what to do: the sentences after a wait that ended in vain. */
  readonly otherwise: string;
}

/**
 * Polls until `look`, which describes what is awaited, returns undefined. Throws DEADLINE_EXCEEDED,
 * and what `look` throws.
 */
export async function waitFor(
  { deadlineMs, otherwise, report }: WaitOptions,
  look: () => Promise<string | undefined>,
): Promise<void> {
  const startedAtMs = monotonicNowMs();
  let reportedAtMs = startedAtMs;
  for (;;) {
    const waiting = await look();
    if (waiting === undefined) return;
    const nowMs = monotonicNowMs();
    if (nowMs - startedAtMs >= deadlineMs) {
      throw new SteleError(
        'DEADLINE_EXCEEDED',
        `Waited ${formatDuration(deadlineMs)} for ${waiting}. ${otherwise}`,
      );
    }
    if (nowMs - reportedAtMs >= REPORT_MS) {
      reportedAtMs = nowMs;
      report(`waiting for ${waiting}`);
    }
    await sleep(LOOK_MS);
  }
}
