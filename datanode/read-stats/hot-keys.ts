// The most frequent of the sampled keys, in bounded memory: the Space-Saving algorithm (Metwally,
// Agrawal and El Abbadi, 2005).
//
//   256 counters. A sampled key that has one adds to it; any other key takes over the smallest one, with its
//   count. So a count is at most that smallest count too high, and a key that has more than 1/256 of the
//   samples is there.
//
// Counts are halved regularly, so old keys fade. Keys are latin1 strings of their bytes.

const COUNTERS = 256;
const HALVE_EVERY_SAMPLES = 8192;
const LARGEST_MAX = 32;
/** Longer keys are not named. */
const KEY_BYTES_MAX = 512;

/** A sampled key. */
export interface SampledKey {
  readonly key: Buffer;
  /** Of all samples lately, 0 to 1. */
  readonly share: number;
  /** Bytes of the value when it was sampled last; undefined: it was not found. */
  readonly valueBytes: number | undefined;
}

interface Counter {
  count: number;
  /** How much of `count` may be of another key. */
  error: number;
  valueBytes: number | undefined;
}

export class HotKeys {
  readonly #counters = new Map<string, Counter>();
  /** Bytes of the values by key. */
  readonly #largest = new Map<string, number>();
  #samples = 0;
  #sinceHalved = 0;

  /**
   * Adds a sampled read of bytes[start, end). `valueBytes` is undefined if the key was not found.
   */
  add(bytes: Uint8Array, start: number, end: number, valueBytes: number | undefined): void {
    this.#samples++;
    if (++this.#sinceHalved >= HALVE_EVERY_SAMPLES) this.#halve();
    if (end - start > KEY_BYTES_MAX) return;
    const key = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1');
    const known = this.#counters.get(key);
    if (known !== undefined) {
      known.count++;
      known.valueBytes = valueBytes;
    } else if (this.#counters.size < COUNTERS) {
      this.#counters.set(key, { count: 1, error: 0, valueBytes });
    } else this.#replaceSmallest(key, valueBytes);
    if (valueBytes === undefined) this.#largest.delete(key);
    else this.#addLarge(key, valueBytes);
  }

  /** The keys with most samples, most first. */
  hottest(limit: number): SampledKey[] {
    return [...this.#counters]
      .sort(([, left], [, right]) => right.count - right.error - (left.count - left.error))
      .slice(0, limit)
      .map(([key, { count, error, valueBytes }]) => ({
        key: Buffer.from(key, 'latin1'),
        share: (count - error) / this.#samples,
        valueBytes,
      }));
  }

  /** The sampled keys with the largest values, largest first. */
  largest(limit: number): SampledKey[] {
    return [...this.#largest]
      .sort(([, left], [, right]) => right - left)
      .slice(0, limit)
      .map(([key, valueBytes]) => {
        const { count = 0, error = 0 } = this.#counters.get(key) ?? {};
        const share = (count - error) / this.#samples;
        return { key: Buffer.from(key, 'latin1'), share, valueBytes };
      });
  }

  #replaceSmallest(key: string, valueBytes: number | undefined): void {
    let smallest = '';
    let least = Infinity;
    for (const [name, { count }] of this.#counters) {
      if (count < least) [smallest, least] = [name, count];
    }
    this.#counters.delete(smallest);
    this.#counters.set(key, { count: least + 1, error: least, valueBytes });
  }

  #addLarge(key: string, valueBytes: number): void {
    this.#largest.set(key, valueBytes);
    if (this.#largest.size <= LARGEST_MAX) return;
    let smallest = '';
    let least = Infinity;
    for (const [name, size] of this.#largest) if (size < least) [smallest, least] = [name, size];
    this.#largest.delete(smallest);
  }

  #halve(): void {
    this.#sinceHalved = 0;
    this.#samples /= 2;
    for (const counter of this.#counters.values()) {
      counter.count /= 2;
      counter.error /= 2;
    }
  }
}
