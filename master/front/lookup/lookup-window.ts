// The number of keys that may be requested at once, so that their values, whose sizes are unknown
// beforehand, stay within some megabytes: few at first, then by the sizes so far. Otherwise a
// request for thousands of large values would be fetched completely before it turns out to be too
// large.

/** Most lookups have fewer keys and are requested at once. */
const FIRST_KEYS = 512;
/** Older sizes fade, so that a window follows the values. */
const REMEMBERED_KEYS = 1024;

export class LookupWindow {
  readonly #bytesMax: number;
  readonly #keysMax: number;
  #keys = 0;
  #bytes = 0;

  /** For at most `keysMax` keys and about `bytesMax` of values at a time. */
  constructor(bytesMax: number, keysMax: number) {
    this.#bytesMax = bytesMax;
    this.#keysMax = keysMax;
  }

  /** Keys that may be unanswered, or answered and still held. */
  get size(): number {
    if (this.#keys === 0) return Math.min(FIRST_KEYS, this.#keysMax);
    const perKey = this.#bytes / this.#keys;
    return Math.max(1, Math.min(this.#keysMax, Math.floor(this.#bytesMax / Math.max(1, perKey))));
  }

  /** Records an answer with a value of that size (0: none). */
  note(valueBytes: number): void {
    if (this.#keys >= REMEMBERED_KEYS) {
      this.#keys /= 2;
      this.#bytes /= 2;
    }
    this.#keys++;
    this.#bytes += valueBytes;
  }
}
