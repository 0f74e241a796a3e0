// Runs reads against a target, and counts them.
//
//   closed loop   each slot reads, waits for the answer, and reads again
//   open loop     reads are due at a fixed rate, whatever the answers do; a slot that is free takes the
//                 next one that is due
//
// In the open loop a latency counts from the moment at which the read was due, not from when it was
// sent: a server that stalls is charged for all reads that were due meanwhile ("coordinated
// omission"). Reads that were due during the warm-up are not counted.

import { crc32 } from 'node:zlib';
import { LatencyCounts } from './latency-counts.ts';
import type { ReadOutcome, ReadTarget } from './read-target.ts';

/** Number of different errors that are counted by their text. */
const ERRORS_MAX = 20;
/** How long reads may be in flight after the end. */
const DRAIN_MS = 10_000;
/** Timers are not more exact than that. */
const TIMER_MS = 2;

export interface LoadOptions {
  readonly target: ReadTarget;
  readonly slots: number;
  readonly keyCount: number;
  /** Reads a second; 0: closed loop. */
  readonly rate: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
  /** Ends the run early; what was counted until then is the result. */
  readonly signal: AbortSignal;
  readonly nowMs: () => number;
  /** A number from 0 to below 1. */
  readonly random: () => number;
}

export interface LoadResult {
  readonly latency: LatencyCounts;
  readonly hits: number;
  readonly misses: number;
  readonly valueBytes: number;
  /** Reads of a key that gave another value, or none, where an earlier read gave one. */
  readonly changed: number;
  readonly errors: ReadonlyMap<string, number>;
  /** Reads that were due and never sent, because no slot was free. */
  readonly unsent: number;
  /** From the end of the warm-up to the last answer that counts. */
  readonly spanMs: number;
}

export class LoadRun {
  readonly #options: LoadOptions;
  readonly #latency = new LatencyCounts();
  readonly #errors = new Map<string, number>();
  /** By key: the CRC of its value plus 1, or 0 before the first read, or -1 if it was missing. */
  readonly #seen: Float64Array;
  readonly #idle: number[] = [];
  readonly #fromMs: number;
  readonly #untilMs: number;
  readonly #intervalMs: number;
  readonly #startMs: number;
  /** Open loop: the number of reads that were sent. */
  #sent = 0;
  #inFlight = 0;
  #hits = 0;
  #misses = 0;
  #valueBytes = 0;
  #changed = 0;
  #lastMs = 0;
  #timer: NodeJS.Timeout | NodeJS.Immediate | undefined;
  #resolve: () => void = () => undefined;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#seen = new Float64Array(options.keyCount);
    const startMs = options.nowMs();
    this.#startMs = startMs;
    this.#fromMs = startMs + options.warmUpMs;
    this.#untilMs = this.#fromMs + options.durationMs;
    this.#intervalMs = options.rate === 0 ? 0 : 1000 / options.rate;
  }

  /** Resolves when the last read is answered, or could have been. */
  async run(): Promise<LoadResult> {
    const { nowMs, signal, slots } = this.#options;
    const ended = new Promise<void>((resolve) => {
      this.#resolve = resolve;
    });
    signal.addEventListener('abort', this.#resolve, { once: true });
    const drained = setTimeout(this.#resolve, this.#untilMs - nowMs() + DRAIN_MS);
    if (this.#intervalMs === 0) for (let slot = 0; slot < slots; slot++) this.#readAgain(slot);
    else {
      for (let slot = slots - 1; slot >= 0; slot--) this.#idle.push(slot);
      this.#sendDue();
    }
    await ended;
    clearTimeout(drained);
    this.#stopTimer();
    signal.removeEventListener('abort', this.#resolve);
    return this.#result();
  }

  #result(): LoadResult {
    const nowMs = Math.min(this.#options.nowMs(), this.#untilMs);
    const isOpen = this.#intervalMs > 0;
    return {
      latency: this.#latency,
      hits: this.#hits,
      misses: this.#misses,
      valueBytes: this.#valueBytes,
      changed: this.#changed,
      errors: this.#errors,
      unsent: isOpen ? Math.max(0, Math.ceil((nowMs - this.#dueMs()) / this.#intervalMs)) : 0,
      spanMs: Math.max(0, Math.max(nowMs, this.#lastMs) - this.#fromMs),
    };
  }

  /** Closed loop: the next read of a slot. */
  #readAgain(slot: number): void {
    const { nowMs, signal } = this.#options;
    const sentMs = nowMs();
    if (sentMs >= this.#untilMs || signal.aborted) return this.#endIfIdle();
    this.#read(slot, sentMs, () => this.#readAgain(slot));
  }

  /** Open loop: sends what is due, as far as slots are free, and comes back for the rest. */
  #sendDue(): void {
    const { nowMs, signal } = this.#options;
    this.#stopTimer();
    if (signal.aborted) return;
    const now = nowMs();
    for (let dueMs = this.#dueMs(); dueMs <= now && dueMs < this.#untilMs; dueMs = this.#dueMs()) {
      const slot = this.#idle.pop();
      // The next slot that is free takes it.
      if (slot === undefined) return;
      this.#sent++;
      this.#read(slot, dueMs, () => {
        this.#idle.push(slot);
        this.#sendDue();
      });
    }
    if (this.#dueMs() >= this.#untilMs) return this.#endIfIdle();
    const waitMs = this.#dueMs() - now;
    this.#timer =
      waitMs > TIMER_MS
        ? setTimeout(() => this.#sendDue(), waitMs - TIMER_MS / 2)
        : setImmediate(() => this.#sendDue());
  }

  /** Open loop: when the next read is due. Not a sum, whose error would grow. */
  #dueMs(): number {
    return this.#startMs + this.#sent * this.#intervalMs;
  }

  #stopTimer(): void {
    clearTimeout(this.#timer as NodeJS.Timeout);
    clearImmediate(this.#timer as NodeJS.Immediate);
  }

  #endIfIdle(): void {
    if (this.#inFlight === 0) this.#resolve();
  }

  #read(slot: number, startMs: number, next: () => void): void {
    const { keyCount, random, target } = this.#options;
    const key = Math.floor(random() * keyCount);
    this.#inFlight++;
    target.read(slot, key, (outcome) => {
      this.#inFlight--;
      this.#count(key, startMs, outcome);
      next();
    });
  }

  #count(key: number, startMs: number, outcome: ReadOutcome): void {
    const isChanged = outcome.status !== 'error' && this.#isChanged(key, outcome);
    if (startMs < this.#fromMs || this.#options.signal.aborted) return;
    this.#lastMs = this.#options.nowMs();
    if (isChanged) this.#changed++;
    if (outcome.status === 'error') {
      const { error } = outcome;
      const name = this.#errors.has(error) || this.#errors.size < ERRORS_MAX ? error : 'others';
      this.#errors.set(name, (this.#errors.get(name) ?? 0) + 1);
      return;
    }
    this.#latency.record(this.#lastMs - startMs);
    if (outcome.status === 'miss') this.#misses++;
    else {
      this.#hits++;
      this.#valueBytes += outcome.value.length;
    }
  }

  #isChanged(key: number, outcome: Exclude<ReadOutcome, { status: 'error' }>): boolean {
    const now = outcome.status === 'miss' ? -1 : crc32(outcome.value) + 1;
    const before = this.#seen[key] ?? 0;
    this.#seen[key] = now;
    return before !== 0 && before !== now;
  }
}
