// `--limit-rate`: one rate for all connections of a backup or a restore together.

import { monotonicNowMs } from '../../base/clock.ts';
import { TokenBucket } from '../../base/token-bucket.ts';

const BURST_SECONDS = 0.25;
/** Shorter pauses are accumulated. */
const PAUSE_MS_MIN = 5;

/** A function that notes bytes and returns how many ms to pause; 0: no limit. */
export function paceOf(bytesPerSecond: number): (byteCount: number) => number {
  if (bytesPerSecond === 0) return () => 0;
  const bucket = new TokenBucket(bytesPerSecond, bytesPerSecond * BURST_SECONDS, monotonicNowMs());
  return (byteCount) => {
    const waitMs = bucket.take(byteCount, monotonicNowMs());
    return waitMs < PAUSE_MS_MIN ? 0 : waitMs;
  };
}
