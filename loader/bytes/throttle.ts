// `--max-bytes-per-second` of a load, `--limit-rate` of a backup or a restore: one rate for all of
// its connections together, which leaves bandwidth of the network and the datanodes for reads.

import { monotonicNowMs, sleep } from '../../base/clock.ts';
import { SteleError } from '../../base/errors.ts';
import { TokenBucket } from '../../base/token-bucket.ts';

/** Burst after a pause, in seconds of the rate. */
const BURST_SECONDS = 0.25;
/** Small enough that every connection gets a slice long before it counts as dead. */
const SLICES_PER_SECOND = 64;
const SLICE_BYTES_MIN = 4096;
const SLICE_BYTES_MAX = 1024 * 1024;

const BYTES_PER_SECOND_MIN = 64 * 1024;
/** Shorter pauses are accumulated. */
const PAUSE_MS_MIN = 5;

/** Throws INVALID_ARGUMENT for a rate at which connections would count as dead. */
export function checkRate(bytesPerSecondMax: number, flag = '--max-bytes-per-second'): void {
  if (bytesPerSecondMax === 0 || bytesPerSecondMax >= BYTES_PER_SECOND_MIN) return;
  const text = `${flag}: ${bytesPerSecondMax} is out of range; use 64KiB or more, or 0 for no limit.`;
  throw new SteleError('INVALID_ARGUMENT', text);
}

/** One per load, and one per direction of a backup or a restore. */
export class Throttle {
  /** Most bytes to send at once. */
  readonly sliceBytes: number;
  readonly #bucket: TokenBucket | undefined;

  /** 0: no limit. */
  constructor(bytesPerSecondMax: number) {
    if (bytesPerSecondMax === 0) {
      this.sliceBytes = SLICE_BYTES_MAX;
      return;
    }
    const slice = Math.floor(bytesPerSecondMax / SLICES_PER_SECOND);
    this.sliceBytes = Math.min(SLICE_BYTES_MAX, Math.max(SLICE_BYTES_MIN, slice));
    const burst = Math.max(this.sliceBytes, bytesPerSecondMax * BURST_SECONDS);
    this.#bucket = new TokenBucket(bytesPerSecondMax, burst, monotonicNowMs());
  }

  /** Whether there is a limit. */
  get isOn(): boolean {
    return this.#bucket !== undefined;
  }

  /** Resolves when `byteCount` bytes may be sent, or `signal` aborts. */
  async wait(byteCount: number, signal: AbortSignal): Promise<void> {
    const waitMs = this.#take(byteCount);
    if (waitMs > 0) await sleep(waitMs, signal);
  }

  /** Notes bytes that have moved; returns how many ms the caller should pause. */
  pauseMs(byteCount: number): number {
    const waitMs = this.#take(byteCount);
    return waitMs < PAUSE_MS_MIN ? 0 : waitMs;
  }

  #take(byteCount: number): number {
    return this.#bucket?.take(byteCount, monotonicNowMs()) ?? 0;
  }
}
