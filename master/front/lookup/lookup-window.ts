// How many keys may be asked for at once, so that their values, which nobody knows beforehand, stay within some
// megabytes: few at first, then by what the values have been like. Without it a request for thousands of large
// values would be fetched whole before it is found to be too much.

/** Most lookups have fewer, and are asked for at once. */
const FIRST_KEYS = 512;
/** What is remembered fades, so that a window follows the values. */
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

  /** Keys that may be without an answer, or have one that is still held. */
  get size(): number {
    if (this.#keys === 0) return Math.min(FIRST_KEYS, this.#keysMax);
    const perKey = this.#bytes / this.#keys;
    return Math.max(1, Math.min(this.#keysMax, Math.floor(this.#bytesMax / Math.max(1, perKey))));
  }

  /** An answer has come, with a value of so many bytes (0: none). */
  note(valueBytes: number): void {
    if (this.#keys >= REMEMBERED_KEYS) {
      this.#keys /= 2;
      this.#bytes /= 2;
    }
    this.#keys++;
    this.#bytes += valueBytes;
  }
}
