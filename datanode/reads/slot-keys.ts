// CLUSTER COUNTKEYSINSLOT and GETKEYSINSLOT: the records of one slot of a shard.
//
// A shard's records are in the order of their hash, so those of a slot are spread all over it, and
// to find them is to read every key of the shard. Reads need no such index, so there is none. Instead:
//
//   - the shard is read in small pieces, and the event loop goes on in between
//   - one shard at a time is read, and few callers may wait; more are refused (OVERLOADED)
//   - the first question counts all slots of the shard; the counts are kept as long as the version's
//     table is (at most 64 KiB each), and answer the next questions about any of its slots

import { setImmediate } from 'node:timers/promises';
import { SteleError } from '../../base/errors.ts';
import { SLOT_COUNT } from '../../base/limits.ts';
import { shardOfSlot, slotRangeOfShard } from '../../ring/shard.ts';
import { slotOfKey } from '../../ring/slot.ts';
import { ShardWalk } from './shard-records.ts';
import type { VersionTable } from '../storage/version-tables.ts';

/** Records between two pauses: about 0.2 ms. */
const RECORDS_PER_PIECE = 1024;
const WAITING_MAX = 64;
/** Bytes of keys in one answer. */
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;

/** One for all callers of a datanode. */
export class SlotKeys {
  readonly #counts = new WeakMap<VersionTable, Map<number, Uint32Array>>();
  #waiting = 0;
  #last: Promise<unknown> = Promise.resolve();

  /** Keys in `slot`. Throws UNAVAILABLE where its shard is not here, OVERLOADED. */
  async count(table: VersionTable, slot: number): Promise<number> {
    return this.#countNow(table, slot) ?? this.#inTurn(() => this.#countShard(table, slot));
  }

  /** At most `keysMax` keys of `slot`. Throws as `count`; OVERLOADED too if they are too long together. */
  async keys(table: VersionTable, slot: number, keysMax: number): Promise<Buffer[]> {
    if (keysMax === 0 || this.#countNow(table, slot) === 0) return [];
    return this.#inTurn(() => this.#collect(table, slot, keysMax));
  }

  #countNow(table: VersionTable, slot: number): number | undefined {
    const shard = shardOfSlot(slot, table.shards.length);
    const { first } = slotRangeOfShard(shard, table.shards.length);
    return this.#counts.get(table)?.get(shard)?.[slot - first];
  }

  async #countShard(table: VersionTable, slot: number): Promise<number> {
    const known = this.#countNow(table, slot);
    if (known !== undefined) return known;
    const shard = shardOfSlot(slot, table.shards.length);
    const { first } = slotRangeOfShard(shard, table.shards.length);
    const counts = new Uint32Array(SLOT_COUNT / table.shards.length);
    await walkShard(table, shard, (each) => {
      counts[each - first] = (counts[each - first] ?? 0) + 1;
      return true;
    });
    let byShard = this.#counts.get(table);
    if (byShard === undefined) {
      byShard = new Map();
      this.#counts.set(table, byShard);
    }
    byShard.set(shard, counts);
    return counts[slot - first] ?? 0;
  }

  async #collect(table: VersionTable, slot: number, keysMax: number): Promise<Buffer[]> {
    const wanted = Math.min(keysMax, this.#countNow(table, slot) ?? keysMax);
    const keys: Buffer[] = [];
    let answerBytes = 0;
    await walkShard(table, shardOfSlot(slot, table.shards.length), (each, walk) => {
      if (each !== slot) return true;
      const key = walk.bytes.subarray(walk.keyStart, walk.valueStart);
      answerBytes += key.length;
      if (answerBytes > ANSWER_BYTES_MAX) {
        throw new SteleError('OVERLOADED', 'The keys are too long together; ask for fewer.');
      }
      return keys.push(key) < wanted;
    });
    return keys;
  }

  /** Runs `work` when those before have ended. */
  async #inTurn<Answer>(work: () => Promise<Answer>): Promise<Answer> {
    if (this.#waiting >= WAITING_MAX) {
      throw new SteleError(
        'OVERLOADED',
        'Too many questions about slots at once; ask again later.',
      );
    }
    this.#waiting++;
    const before = this.#last;
    const mine = before.then(work);
    this.#last = mine.catch(() => undefined);
    try {
      return await mine;
    } finally {
      this.#waiting--;
    }
  }
}

/** Shows each record of a shard to `visit`, with its slot, in pieces, until that returns false. */
async function walkShard(
  table: VersionTable,
  shard: number,
  visit: (slot: number, walk: ShardWalk) => boolean,
): Promise<void> {
  const segments = table.shards[shard];
  if (segments === undefined) {
    throw new SteleError('UNAVAILABLE', `Shard ${shard} is not held here.`);
  }
  const walk = new ShardWalk(segments, 0);
  for (let records = 1; walk.next(); records++) {
    const slot = slotOfKey(walk.bytes, walk.keyStart, walk.valueStart);
    if (!visit(slot, walk)) return;
    if (records % RECORDS_PER_PIECE === 0) await setImmediate();
  }
}
