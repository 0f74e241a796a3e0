// Throttles incoming segments (loads, copies from peers) while they make readers wait.
//
//     throttled                the bytes of arriving segments, in pieces of about 64 KiB
//     measured                 how late a timer of 5 ms fires on the thread that answers readers; a reader
//                              waits as long, whatever the reason (the thread's own work, other threads,
//                              other processes)
//     no readers               no limit
//     readers, on time         the limit rises from a start value, by half in each fifth of a second
//     late                     the limit drops to 0.6 of its value at once; from then on it rises by small steps
//
// So a machine with spare cores accepts a load at full speed next to its readers, and any other
// gives readers priority. The limit has a floor, so a load always completes.

import { monotonicNowMs } from '../../base/clock.ts';
import type { Clock } from '../../base/clock.ts';

const MIB = 1024 * 1024;
const START_BYTES_PER_SECOND = 8 * MIB;
/** Floor of the limit, for everything that comes in together. */
export const BRAKED_BYTES_PER_SECOND_MIN = 4 * MIB;
/** From this rate on there is no limit. */
const CEILING_BYTES_PER_SECOND = 1024 * MIB;

const START_FACTOR = 1.5;
const UP_FACTOR = 1.06;
const DOWN_FACTOR = 0.6;

const TICK_MS = 5;
const WINDOW_TICKS = 40;
/** Delay of a tick that counts as late; the timer's resolution and a few reads cause less. */
const LATE_MS = 2;
/**
 * Late ticks allowed per window of 200 ms: one may be a garbage collection, or chance; with two,
 * p99 suffers.
 */
const LATE_TICKS_ALLOWED = 1;
/** Fewer reads are probes and people, and cause no throttling. */
const READS_PER_SECOND_MIN = 20;
/** After so long without incoming bytes, the limit starts again from its start value. */
const IDLE_MS = 1000;

/** The observations of one window. */
export interface BrakeWindow {
  readonly readsPerSecond: number;
  readonly lateTicks: number;
}

/** The control rule, without clock or timer. */
export class BrakeRule {
  #rate = START_BYTES_PER_SECOND;
  #wasLate = false;

  /** Bytes per second that may come in while there are readers; Infinity: no limit. */
  get bytesPerSecond(): number {
    return this.#rate >= CEILING_BYTES_PER_SECOND ? Infinity : this.#rate;
  }

  next({ lateTicks, readsPerSecond }: BrakeWindow): void {
    if (readsPerSecond < READS_PER_SECOND_MIN) {
      this.#rate = CEILING_BYTES_PER_SECOND;
      this.#wasLate = false;
    } else if (lateTicks > LATE_TICKS_ALLOWED) {
      const from = this.bytesPerSecond === Infinity ? START_BYTES_PER_SECOND : this.#rate;
      this.#rate = Math.max(BRAKED_BYTES_PER_SECOND_MIN, from * DOWN_FACTOR);
      this.#wasLate = true;
    } else {
      const factor = this.#wasLate ? UP_FACTOR : START_FACTOR;
      this.#rate = Math.min(CEILING_BYTES_PER_SECOND, this.#rate * factor);
    }
  }
}

/**
 * One per datanode, shared by everything that comes in. Unless it is closed, its timer runs for
 * another second.
 */
export class IntakeBrake {
  readonly #lookups: () => number;
  readonly #now: Clock;
  #rule = new BrakeRule();
  #timer: NodeJS.Timeout | undefined;
  #usedAtMs = -Infinity;
  #freeAtMs = 0;
  #tickedAtMs = 0;
  #windowAtMs = 0;
  #windowLookups = 0;
  #ticks = 0;
  #lateTicks = 0;
  #readsPerSecond = 0;

  /** `lookups` returns the number of keys looked up so far. */
  constructor(lookups: () => number, now: Clock = monotonicNowMs) {
    this.#lookups = lookups;
    this.#now = now;
  }

  /** The present limit in bytes per second; Infinity: none. */
  get bytesPerSecond(): number {
    return this.#timer === undefined ? Infinity : this.#rule.bytesPerSecond;
  }

  /** Counts bytes that have come in; returns how many ms their sender must wait now. */
  take(byteCount: number): number {
    const nowMs = this.#now();
    this.#usedAtMs = nowMs;
    if (this.#timer === undefined) this.#begin(nowMs);
    const rate = this.#rule.bytesPerSecond;
    if (rate === Infinity) return 0;
    this.#freeAtMs = Math.max(this.#freeAtMs, nowMs) + (byteCount / rate) * 1000;
    return this.#freeAtMs - nowMs;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #begin(nowMs: number): void {
    this.#rule = new BrakeRule();
    this.#freeAtMs = nowMs;
    this.#tickedAtMs = nowMs;
    // Whether there are readers is unknown until the first window has passed.
    this.#beginWindow(nowMs);
    this.#timer = setInterval(() => this.#tick(this.#now()), TICK_MS);
    this.#timer.unref();
  }

  #beginWindow(nowMs: number): void {
    this.#windowAtMs = nowMs;
    this.#windowLookups = this.#lookups();
    this.#ticks = 0;
    this.#lateTicks = 0;
  }

  #tick(nowMs: number): void {
    if (nowMs - this.#tickedAtMs > TICK_MS + LATE_MS) this.#lateTicks++;
    this.#tickedAtMs = nowMs;
    if (++this.#ticks < WINDOW_TICKS) return;
    const seconds = (nowMs - this.#windowAtMs) / 1000;
    this.#readsPerSecond = (this.#lookups() - this.#windowLookups) / seconds;
    this.#rule.next({ readsPerSecond: this.#readsPerSecond, lateTicks: this.#lateTicks });
    this.#beginWindow(nowMs);
    if (nowMs - this.#usedAtMs > IDLE_MS) this.close();
  }
}
