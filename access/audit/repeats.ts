// Keeps a flood of refused attempts from filling memory and disk. Pure: time is an argument.
//
//   an attempt unlike the others        passes at once
//   the same one again                  is counted; the count passes when its window ends
//   too many that differ                are counted together
//
// A window is a second at first, and twice as long after each that had repetitions, a minute at
// most. So a program that tries again and again passes once a minute, and any number of attackers
// some ten times a second.

import { TokenBucket } from '../../base/token-bucket.ts';

const WINDOW_MS = 1_000;
const WINDOW_MS_MAX = 60_000;
const DIFFERENT_MAX = 1_000;
const DIFFERENT_PER_SECOND = 10;
const DIFFERENT_BURST = 200;

interface Window<Item> {
  readonly item: Item;
  count: number;
  endsMs: number;
  lengthMs: number;
}

/** What has come `count` times; without an item, by attempts that all differ. */
export interface Repeated<Item> {
  readonly item: Item | undefined;
  readonly count: number;
}

export class Repeats<Item> {
  readonly #windows = new Map<string, Window<Item>>();
  readonly #bucket: TokenBucket;
  #others = 0;

  constructor(nowMs: number) {
    this.#bucket = new TokenBucket(DIFFERENT_PER_SECOND, DIFFERENT_BURST, nowMs);
  }

  /** Whether there is something for `due` to return, now or later. */
  get isBusy(): boolean {
    return this.#windows.size > 0 || this.#others > 0;
  }

  /**
   * Whether `item` passes at once; otherwise it is counted. Items with the same `key` are the same.
   */
  passes(key: string, item: Item, nowMs: number): boolean {
    const window = this.#windows.get(key);
    if (window !== undefined) {
      window.count++;
      return false;
    }
    const isFull = this.#windows.size >= DIFFERENT_MAX;
    // A refusal takes its token, too, and must not make the next ones wait for it.
    if (isFull || this.#bucket.take(1, nowMs) > 0) {
      if (!isFull) this.#bucket.take(-1, nowMs);
      this.#others++;
      return false;
    }
    const endsMs = nowMs + WINDOW_MS;
    this.#windows.set(key, { item, count: 0, endsMs, lengthMs: WINDOW_MS });
    return true;
  }

  /** What was counted in windows that have ended. Call it about once a second. */
  due(nowMs: number): Repeated<Item>[] {
    const due: Repeated<Item>[] = [];
    for (const [key, window] of this.#windows) {
      if (nowMs < window.endsMs) continue;
      if (window.count === 0) {
        this.#windows.delete(key);
        continue;
      }
      due.push({ item: window.item, count: window.count });
      window.count = 0;
      window.lengthMs = Math.min(WINDOW_MS_MAX, 2 * window.lengthMs);
      window.endsMs = nowMs + window.lengthMs;
    }
    if (this.#others > 0) due.push({ item: undefined, count: this.#others });
    this.#others = 0;
    return due;
  }

  /** Everything that was counted, at the end. */
  rest(): Repeated<Item>[] {
    return this.due(Infinity);
  }
}
