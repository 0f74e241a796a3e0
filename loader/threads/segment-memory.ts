// Memory for segments that are being built or sent, used again from one to the next: fresh memory
// costs the kernel more (a fault and 4 KiB of zeros a page) than building the segment in it.
//
// What is in flight is bounded by who takes it; what waits here is bounded in bytes and in pieces.

const SPARES_MAX = 64;
/** A piece may be this many times larger than what it is used for. */
const WASTE_FACTOR_MAX = 2;

export class SegmentMemory {
  readonly #spares: SharedArrayBuffer[] = [];
  readonly #spareBytesMax: number;
  #spareBytes = 0;

  /** `spareBytesMax` bounds what waits to be used again. */
  constructor(spareBytesMax = Infinity) {
    this.#spareBytesMax = spareBytesMax;
  }

  /** A piece of at least `byteCount`, the smallest spare one that fits or a new one. */
  take(byteCount: number): SharedArrayBuffer {
    let best = -1;
    for (let at = 0; at < this.#spares.length; at++) {
      const size = this.#spares[at]?.byteLength ?? 0;
      if (size < byteCount || size > byteCount * WASTE_FACTOR_MAX) continue;
      if (best < 0 || size < (this.#spares[best]?.byteLength ?? 0)) best = at;
    }
    const [spare] = best < 0 ? [] : this.#spares.splice(best, 1);
    this.#spareBytes -= spare?.byteLength ?? 0;
    return spare ?? new SharedArrayBuffer(roundUp(byteCount));
  }

  /** Takes back the memory of a segment that nobody reads any more. */
  giveBack(bytes: Uint8Array): void {
    if (!(bytes.buffer instanceof SharedArrayBuffer)) return;
    const { buffer } = bytes;
    this.#spares.push(buffer);
    this.#spareBytes += buffer.byteLength;
    while (this.#spares.length > SPARES_MAX || this.#spareBytes > this.#spareBytesMax) {
      this.#spareBytes -= this.#spares.shift()?.byteLength ?? 0;
    }
  }
}

/** In steps of an eighth at most, so that a piece fits the next segment too; what is not touched is free. */
function roundUp(byteCount: number): number {
  const step = 2 ** Math.max(12, Math.floor(Math.log2(byteCount)) - 3);
  return Math.ceil(byteCount / step) * step;
}
