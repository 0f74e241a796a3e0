// The memory that replies are written into: slabs of one size, reused once they have been sent.
//
// New memory is expensive: for a slab of 64 KiB the kernel clears 16 pages, which is more work than
// filling it. Whether slabs have been sent is checked for all together, once per event-loop tick:
// usually the kernel accepts everything written in the turn, and then every filled slab is free. If
// anything is left over, the filled slabs are left to the garbage collector.

type Slab = ReturnType<typeof Buffer.allocUnsafeSlow>;

export const SLAB_BYTES = 64 * 1024;
/** 8 MiB: what 50 clients ask for in a turn, in pipelines of 16 values of 10 KB. */
const FREE_SLABS_MAX = 128;

export class Slabs {
  readonly #free: Slab[] = [];
  readonly #filled: Slab[] = [];

  /** Full slabs whose bytes may still be in transit. */
  get filledCount(): number {
    return this.#filled.length;
  }

  /** A slab of at least `byteCount` bytes. */
  take(byteCount: number): Slab {
    if (byteCount > SLAB_BYTES) return Buffer.allocUnsafeSlow(byteCount);
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES);
  }

  /** Takes back a full slab; its bytes stay as they are until `reuseFilled`. */
  addFilled(slab: Slab): void {
    if (slab.length === SLAB_BYTES) this.#filled.push(slab);
  }

  /** Everything in the filled slabs has been sent, so they are free. */
  reuseFilled(): void {
    for (const slab of this.#filled) {
      if (this.#free.length < FREE_SLABS_MAX) this.#free.push(slab);
    }
    this.#filled.length = 0;
  }

  /** Forgets the filled slabs except the first `count`, because their bytes are still needed. */
  dropFilled(count = 0): void {
    this.#filled.length = Math.min(this.#filled.length, count);
  }
}
