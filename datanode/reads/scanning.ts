// SCAN and RANDOMKEY over the shards of one version: a bounded amount of work a call, whatever is asked.
//
//   place -> records of the shards from there on -> keys that match, and the place to go on from
//
// A call ends between two positions (see shard-records.ts), so that no key is met twice and none is
// left out. It ends once it has looked at as many records as were asked for, or at more bytes of keys
// than a turn of the event loop should see.

import { SteleError } from '../../base/errors.ts';
import { globMatches } from '../../resp/commands/glob.ts';
import type { ScanPlace } from '../../resp/commands/scan-cursor.ts';
import { POSITION_END, ShardWalk } from './shard-records.ts';
import type { VersionTable } from '../storage/version-tables.ts';

/** Records that one call looks at, at the most. */
const RECORDS_MAX = 10_000;
const KEY_BYTES_MAX_PER_CALL = 1024 * 1024;
/** Bytes of keys x bytes of the pattern: what matching may cost. */
const MATCH_COST_MAX = 16 * 1024 * 1024;
/** RANDOMKEY chooses among so many neighbours, so that a key behind a gap is no likelier than others. */
const RANDOM_CANDIDATES = 16;

/** What to do with a shard: `stop` ends the call before it. */
type ShardPlan = 'scan' | 'skip' | 'stop';

export interface ScanLimits {
  readonly recordsMax: number;
  readonly pattern: Buffer | undefined;
}

export interface ScanPage {
  /** Views of segments: their bytes never change, but each keeps its segment in memory. */
  readonly keys: Buffer[];
  /** Records looked at. */
  records: number;
  /** Where to go on; `shard` is the number of shards behind the last. */
  next: ScanPlace;
}

/** The keys from `from` on, of the shards that `planOf` lets through. */
export function scanTable(
  table: VersionTable,
  from: ScanPlace,
  planOf: (shard: number) => ShardPlan,
  limits: ScanLimits,
): ScanPage {
  const page: ScanPage = { keys: [], records: 0, next: from };
  const budget = new Budget(limits);
  let { position } = from;
  for (let shard = from.shard; shard < table.shards.length; shard++) {
    const plan = planOf(shard);
    page.next = { shard, position };
    if (plan === 'stop') return page;
    if (plan === 'scan') {
      const end = scanShard(new ShardWalk(table.shards[shard] ?? [], position), page, budget);
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

/** As a peer asks for it: over the shards that are here. Throws UNAVAILABLE where the first is not. */
export function scanHeldShards(
  table: VersionTable,
  from: ScanPlace,
  skipMissing: boolean,
  limits: ScanLimits,
): ScanPage {
  if (!skipMissing && from.shard < table.shards.length && table.shards[from.shard] === undefined) {
    throw new SteleError('UNAVAILABLE', `Shard ${from.shard} is not held here.`);
  }
  const missing = skipMissing ? 'skip' : 'stop';
  const planOf = (shard: number): ShardPlan =>
    table.shards[shard] === undefined ? missing : 'scan';
  return scanTable(table, from, planOf, limits);
}

/** A key of one of `shards`, which are held here; undefined if there is none. `random` gives 0 .. 1. */
export function randomKey(
  table: VersionTable,
  shards: readonly number[],
  random: () => number,
): Buffer | undefined {
  const records = shards.map((shard) => table.recordsByShard[shard] ?? 0);
  let left = random() * records.reduce((sum, count) => sum + count, 0);
  const chosen = shards.find((_, index) => (left -= records[index] ?? 0) < 0);
  if (chosen === undefined) return undefined;
  const segments = table.shards[chosen] ?? [];
  const limits: ScanLimits = { recordsMax: RANDOM_CANDIDATES, pattern: undefined };
  for (const position of [Math.floor(random() * POSITION_END), 0]) {
    const page: ScanPage = { keys: [], records: 0, next: { shard: chosen, position } };
    scanShard(new ShardWalk(segments, position), page, new Budget(limits));
    if (page.keys.length > 0) return page.keys[Math.floor(random() * page.keys.length)];
  }
  return undefined;
}

/** Adds to `page`; returns the position to go on from, POSITION_END behind the last record. */
function scanShard(walk: ShardWalk, page: ScanPage, budget: Budget): number {
  let position = -1;
  while (walk.next()) {
    const keyBytes = walk.valueStart - walk.keyStart;
    if (budget.isSpentBefore(keyBytes) && walk.position !== position) return walk.position;
    position = walk.position;
    page.records++;
    const key = walk.bytes.subarray(walk.keyStart, walk.valueStart);
    if (budget.looksAt(key)) page.keys.push(key);
  }
  return POSITION_END;
}

/** What one call may still look at. */
class Budget {
  #records: number;
  #keyBytes = KEY_BYTES_MAX_PER_CALL;
  #matchCost = MATCH_COST_MAX;
  readonly #pattern: Buffer | undefined;

  constructor({ recordsMax, pattern }: ScanLimits) {
    this.#records = Math.min(recordsMax, RECORDS_MAX);
    this.#pattern = pattern;
  }

  get spent(): boolean {
    return this.#records <= 0 || this.#keyBytes <= 0 || this.#matchCost <= 0;
  }

  /**
   * Whether nothing is left for a key of `keyBytes`: the cost of its match is counted before it is matched.
   * The first key of a call is always looked at.
   */
  isSpentBefore(keyBytes: number): boolean {
    if (this.spent) return true;
    const cost = keyBytes * (this.#pattern?.length ?? 0);
    return cost > this.#matchCost && this.#matchCost < MATCH_COST_MAX;
  }

  /** Takes one record from the budget; whether its key is wanted. */
  looksAt(key: Buffer): boolean {
    this.#records--;
    this.#keyBytes -= key.length;
    if (this.#pattern === undefined) return true;
    this.#matchCost -= key.length * this.#pattern.length;
    return globMatches(this.#pattern, key);
  }
}
