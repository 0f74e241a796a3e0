// Looks up the keys that a gate requires in the segments of a load, before any datanode has them.

import type { LoadGate } from '../../proto/gen/stele/v1/load.ts';
import type { KeyFinding } from '../../proto/load-gate.ts';
import { shardOfSlot } from '../../ring/shard.ts';
import { slotOfKey } from '../../ring/slot.ts';
import { findRecord, openSegment, valueEnd, valueStart } from '../../segment/reader.ts';

/** Must see every segment of the load once (`look`); then `findings` has the keys' values. */
export class RequiredKeys {
  readonly #required: LoadGate['requireKeys'];
  readonly #shards: readonly number[];
  readonly #values = new Map<number, Buffer>();

  constructor(required: LoadGate['requireKeys'], shardCount: number) {
    this.#required = required;
    this.#shards = required.map(({ key }) =>
      shardOfSlot(slotOfKey(key, 0, key.length), shardCount),
    );
  }

  /** Looks up the keys of one shard in its segment. `bytes` are not kept. */
  look(shard: number, bytes: Uint8Array): void {
    if (!this.#shards.includes(shard)) return;
    const segment = openSegment(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
    this.#required.forEach(({ key }, index) => {
      if (this.#shards[index] !== shard) return;
      const record = findRecord(segment, key, 0, key.length);
      if (record < 0) return;
      const value = segment.bytes.subarray(valueStart(segment, record), valueEnd(segment, record));
      this.#values.set(index, Buffer.from(value));
    });
  }

  /** In the order of the gate; null if the load does not have the key. */
  findings(): KeyFinding[] {
    return this.#required.map((required, index) => ({
      required,
      value: this.#values.get(index) ?? null,
    }));
  }
}
