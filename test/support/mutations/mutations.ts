// Mutates bytes from a seed; shared by all kinds of conversations.

import { seededRandom } from '../inputs/rows.ts';

export class Mutator {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)] as Item;
  }

  /** True once in `of` times. */
  chance(of: number): boolean {
    return this.below(of) === 0;
  }

  bytes(count: number): Buffer {
    return Buffer.from(Array.from({ length: count }, () => this.below(256)));
  }

  /** Increasing places at which to cut `byteCount` bytes. */
  cuts(byteCount: number): number[] {
    return Array.from({ length: this.below(4) }, () => this.below(byteCount)).sort((a, b) => a - b);
  }

  /** Replaces, inserts, duplicates or removes one to four bytes or pieces. */
  withWrongBytes(bytes: Buffer): Buffer {
    let changed = Buffer.from(bytes);
    for (let edits = 1 + this.below(4); edits > 0; edits--) {
      const at = this.below(changed.length + 1);
      const [head, tail] = [changed.subarray(0, at), changed.subarray(at)];
      const skipped = tail.subarray(Math.min(tail.length, this.below(4)));
      const inserted = this.bytes(this.below(4));
      changed = this.pick([
        Buffer.concat([head, inserted, tail]),
        Buffer.concat([head, skipped]),
        Buffer.concat([head, inserted, skipped]),
        Buffer.concat([head, tail, tail]),
        Buffer.from(head),
      ]);
    }
    return changed;
  }
}
