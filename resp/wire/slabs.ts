// The memory that replies are written into: slabs of one size, used again once they have been sent.
//
// New memory is dear: for a slab of 64 KiB the kernel clears 16 pages, more work than to fill it. Whether
// a slab has been sent is not counted by slab but asked once a turn of the event loop: usually the
// kernel takes all that was written in it, and then every filled slab is free. If anything was left over
// they all go to the garbage collector, as they would without this.

type Slab = ReturnType<typeof Buffer.allocUnsafeSlow>;

export const SLAB_BYTES = 64 * 1024;
/** 8 MiB: what 50 clients ask for in a turn, in pipelines of 16 values of 10 KB. */
const FREE_SLABS_MAX = 128;

export class Slabs {
  readonly #free: Slab[] = [];
  readonly #filled: Slab[] = [];

  /** Slabs that nothing is written into any more and that may still be on their way. */
  get filledCount(): number {
    return this.#filled.length;
  }

  /** At least `byteCount` bytes. */
  take(byteCount: number): Slab {
    if (byteCount > SLAB_BYTES) return Buffer.allocUnsafeSlow(byteCount);
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES);
  }

  /** Takes a slab back that is full; its bytes stay as they are until `reuseFilled`. */
  addFilled(slab: Slab): void {
    if (slab.length === SLAB_BYTES) this.#filled.push(slab);
  }

  /** Everything in the filled slabs has been sent. */
  reuseFilled(): void {
    for (const slab of this.#filled) {
      if (this.#free.length < FREE_SLABS_MAX) this.#free.push(slab);
    }
    this.#filled.length = 0;
  }

  /** Forgets the filled slabs but the first `count`: somebody still needs the others. */
  dropFilled(count = 0): void {
    this.#filled.length = Math.min(this.#filled.length, count);
  }
}
