// Work on segments that datanodes may not give at the moment.
//
// If no holder gives a segment, its version is asked for again: its deltas may have been merged, so
// that it has other segments now, or a copy is elsewhere. That goes on until nothing has moved for
// --replica-wait.

import { sleep } from '../../base/clock.ts';
import type { SteleError } from '../../base/errors.ts';
import type { Transfer } from './open-transfer.ts';

const ROUND_PAUSE_MS = 2000;

/** What came of one attempt at all that is left. */
export interface Round {
  readonly done: number;
  /** Of what no datanode gave. */
  readonly failures: readonly SteleError[];
}

/** Repeats `round`, with `again` in between, until nothing has failed. */
export async function inRounds(
  { log, settings, stop }: Pick<Transfer, 'log' | 'settings' | 'stop'>,
  round: () => Promise<Round>,
  again: () => Promise<void>,
): Promise<void> {
  let movedAtMs = performance.now();
  for (;;) {
    const { done, failures } = await round();
    const [failure] = failures;
    if (failure === undefined) return;
    if (done > 0) movedAtMs = performance.now();
    else if (performance.now() - movedAtMs > settings.replicaWait) throw failure;
    log.warn(`${failures.length} segments are tried again: ${failure.message}`);
    await sleep(ROUND_PAUSE_MS, stop.signal);
    await again();
  }
}
