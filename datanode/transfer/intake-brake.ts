// Holds back what comes in (loads, copies from peers) while it makes readers wait.
//
//     who is held back         bytes of segments that arrive, each 64 KiB or so for its turn
//     what is watched          how late a timer of 5 ms fires on the thread that answers readers: as late
//                              as that thread comes to a reader, whatever the reason (its own work,
//                              other threads, other processes)
//     no reader                no limit
//     readers, in time         from a start value up, by half in each fifth of a second
//     late                     down to 0.6 of it at once; from then on up again by small steps
//
// So a machine with cores to spare takes a load in at full speed beside its readers, and one without
// gives readers what they need first. Below a floor it does not go: a load always gets done.

import { monotonicNowMs } from '../../base/clock.ts';
import type { Clock } from '../../base/clock.ts';

const MIB = 1024 * 1024;
const START_BYTES_PER_SECOND = 8 * MIB;
/** What comes in is never held to less, all of it together. */
export const BRAKED_BYTES_PER_SECOND_MIN = 4 * MIB;
/** From here on it is no limit. */
const CEILING_BYTES_PER_SECOND = 1024 * MIB;

const START_FACTOR = 1.5;
const UP_FACTOR = 1.06;
const DOWN_FACTOR = 0.6;

const TICK_MS = 5;
const WINDOW_TICKS = 40;
/** A tick later than that is late; what a timer's own resolution and a few reads cost is less. */
const LATE_MS = 2;
/** So many in a window, of 200 ms, are a collection of garbage, or chance; with two p99 suffers. */
const LATE_TICKS_ALLOWED = 1;
/** Fewer are probes and people, whom nothing is held back for. */
const READS_PER_SECOND_MIN = 20;
/** Without bytes for so long, the next ones begin anew. */
const IDLE_MS = 1000;

/** What was seen in one window. */
export interface BrakeWindow {
  readonly readsPerSecond: number;
  readonly lateTicks: number;
}

/** The rule by itself: no clock, no timer. */
export class BrakeRule {
  #rate = START_BYTES_PER_SECOND;
  #wasLate = false;

  /** Bytes a second that may come in beside readers; Infinity: any. */
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

/** One for a datanode: all that comes in shares it. `close` it, or its timer runs on for a second. */
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

  /** `lookups`: how many keys have been looked up so far. */
  constructor(lookups: () => number, now: Clock = monotonicNowMs) {
    this.#lookups = lookups;
    this.#now = now;
  }

  /** What comes in is held to this at present; Infinity: to nothing. */
  get bytesPerSecond(): number {
    return this.#timer === undefined ? Infinity : this.#rule.bytesPerSecond;
  }

  /** Counts bytes that have come in; returns for how many ms their sender is to wait now. */
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
    // Whether anybody reads is not known before the first window has passed.
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
