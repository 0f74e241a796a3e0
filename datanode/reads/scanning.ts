// SCAN and RANDOMKEY over the shards of one version, with a bounded amount of work per call.
//
//   place -> records of the shards from there on -> keys that match, and the place to continue from
//
// A call ends between two positions (see shard-records.ts), so that no key is returned twice and
// none is missed. It ends once it has read as many records as were asked for, or more bytes of keys
// than one event-loop tick should read.

import { SteleError } from '../../base/errors.ts';
import { globMatches } from '../../base/glob.ts';
import type { ScanPlace } from '../../resp/data/scan-cursor.ts';
import { slotOfKey } from '../../ring/slot.ts';
import { POSITION_END, walkInMemory } from './shard-records.ts';
import type { ShardWalk } from './shard-records.ts';
import { holdsShard } from '../storage/version-tables.ts';
import type { VersionTable } from '../storage/version-tables.ts';

/** Upper limit of records that one call reads. */
const RECORDS_MAX = 10_000;
const KEY_BYTES_MAX_PER_CALL = 1024 * 1024;
/** Limit of the matching cost: bytes of keys x bytes of the pattern. */
const MATCH_COST_MAX = 16 * 1024 * 1024;
/**
 * RANDOMKEY chooses among so many neighbours, so that a key after a gap is hardly more likely than
 * others.
 */
const RANDOM_CANDIDATES = 16;
const LONG_SCANS_MAX = 64;

/** What to do with a shard; `stop` ends the call before it. */
export type ShardPlan = 'scan' | 'skip' | 'stop';

export interface ScanLimits {
  readonly recordsMax: number;
  readonly pattern?: Buffer | undefined;
  /** Only keys of this slot. */
  readonly slot?: number | undefined;
  /** Whether the page has `valueBytes`. */
  readonly withSizes?: boolean;
}

export interface ScanPage {
  /** Views of segments: the bytes never change, but each view keeps its segment in memory. */
  readonly keys: Buffer[];
  /** With `withSizes`: of the value of each key. */
  readonly valueBytes?: number[];
  /** Records read. */
  records: number;
  /** Where to continue; `shard` is the shard count after the last one. */
  next: ScanPlace;
}

/**
 * The keys from `from` on, of the shards that `planOf` selects, all of which must be in memory
 * (`scanAnywhere`).
 */
export function scanTable(
  table: VersionTable,
  from: ScanPlace,
  planOf: (shard: number) => ShardPlan,
  limits: ScanLimits,
): ScanPage {
  const page = emptyPage(from, limits);
  const budget = new ScanBudget(limits);
  let { position } = from;
  for (let shard = from.shard; shard < table.shards.length; shard++) {
    const plan = planOf(shard);
    page.next = { shard, position };
    if (plan === 'stop') return page;
    if (plan === 'scan') {
      const end = scanShard(walkInMemory(table.shards[shard] ?? [], position), page, budget);
      if (end < POSITION_END) {
        page.next = { shard, position: end };
        return page;
      }
    }
    position = 0;
  }
  page.next = { shard: table.shards.length, position: 0 };
  return page;
}

export function emptyPage(from: ScanPlace, { withSizes }: ScanLimits): ScanPage {
  return { keys: [], records: 0, next: from, ...(withSizes === true ? { valueBytes: [] } : {}) };
}

/** Plans a scan for a peer, over the shards that are here. Throws UNAVAILABLE if the first is not. */
export function planOfHeld(
  table: VersionTable,
  from: ScanPlace,
  skipMissing: boolean,
  slot: number | undefined,
): (shard: number) => ShardPlan {
  if (!skipMissing && from.shard < table.shards.length && !holdsShard(table, from.shard)) {
    throw new SteleError('UNAVAILABLE', `Shard ${from.shard} is not held here.`);
  }
  const missing = skipMissing ? 'skip' : 'stop';
  return (shard) => {
    if (slot !== undefined && shard !== from.shard) return 'stop';
    return holdsShard(table, shard) ? 'scan' : missing;
  };
}

/**
 * A key of one of `shards`, which are held here; undefined if there is none. `random` returns 0 ..
 * 1; `scan` reads a page from a place on, of one shard.
 */
export async function randomKey(
  table: VersionTable,
  shards: readonly number[],
  random: () => number,
  scan: (
    from: ScanPlace,
    planOf: (shard: number) => ShardPlan,
    limits: ScanLimits,
  ) => Promise<ScanPage> | ScanPage,
): Promise<Buffer | undefined> {
  const chosen = randomShard(table, shards, random);
  if (chosen === undefined) return undefined;
  const planOf = (shard: number): ShardPlan => (shard === chosen ? 'scan' : 'stop');
  for (const position of [Math.floor(random() * POSITION_END), 0]) {
    const from = { shard: chosen, position };
    const { keys } = await scan(from, planOf, { recordsMax: RANDOM_CANDIDATES });
    if (keys.length > 0) return keys[Math.floor(random() * keys.length)];
  }
  return undefined;
}

/** One of `shards`, as likely as it has records here; undefined if none has. */
export function randomShard(
  table: VersionTable,
  shards: readonly number[],
  random: () => number,
): number | undefined {
  const records = shards.map((shard) => table.recordsByShard[shard] ?? 0);
  let left = random() * records.reduce((sum, count) => sum + count, 0);
  return shards.find((_, index) => (left -= records[index] ?? 0) < 0);
}

/** Adds to `page`; returns the position to continue from, POSITION_END after the last record. */
export function scanShard(walk: ShardWalk, page: ScanPage, budget: ScanBudget): number {
  let position = -1;
  while (walk.next()) {
    const keyBytes = walk.valueStart - walk.keyStart;
    if (budget.isSpentBefore(keyBytes) && walk.position !== position) return walk.position;
    position = walk.position;
    page.records++;
    const key = walk.bytes.subarray(walk.keyStart, walk.valueStart);
    if (!budget.looksAt(key)) continue;
    page.keys.push(key);
    page.valueBytes?.push(walk.end - walk.valueStart);
  }
  return POSITION_END;
}

/** The work that one call may still do. */
export class ScanBudget {
  #records: number;
  #keyBytes = KEY_BYTES_MAX_PER_CALL;
  #matchCost = MATCH_COST_MAX;
  readonly #pattern: Buffer | undefined;
  readonly #slot: number | undefined;

  constructor({ pattern, recordsMax, slot }: ScanLimits) {
    this.#records = Math.min(recordsMax, RECORDS_MAX);
    this.#pattern = pattern;
    this.#slot = slot;
  }

  get spent(): boolean {
    return this.#records <= 0 || this.#keyBytes <= 0 || this.#matchCost <= 0;
  }

  /**
   * Whether the budget does not allow for a key of `keyBytes`, including the cost of matching it.
   * The first key of a call is always read.
   */
  isSpentBefore(keyBytes: number): boolean {
    if (this.spent) return true;
    const cost = keyBytes * (this.#pattern?.length ?? 0);
    return cost > this.#matchCost && this.#matchCost < MATCH_COST_MAX;
  }

  /** Takes one record from the budget; returns whether its key matches. */
  looksAt(key: Buffer): boolean {
    this.#records--;
    this.#keyBytes -= key.length;
    if (this.#slot !== undefined && slotOfKey(key, 0, key.length) !== this.#slot) return false;
    if (this.#pattern === undefined) return true;
    this.#matchCost -= key.length * this.#pattern.length;
    return globMatches(this.#pattern, key);
  }
}

/**
 * Runs commands that read whole shards, in pieces: one runs, some wait, further ones are refused.
 */
export class LongScans {
  #waiting = 0;
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `work` after the earlier ones have ended. Throws OVERLOADED, and what `work` throws. */
  async run<Answer>(work: () => Promise<Answer>): Promise<Answer> {
    if (this.#waiting >= LONG_SCANS_MAX) {
      throw new SteleError('OVERLOADED', 'Too many scans of whole shards; ask again later.');
    }
    this.#waiting++;
    const mine = this.#last.then(work);
    this.#last = mine.catch(() => undefined);
    try {
      return await mine;
    } finally {
      this.#waiting--;
    }
  }
}
