// SCAN, RANDOMKEY and the keys of a slot over the whole keyspace: asks the datanodes, page by page.
//
//   place (shard, position) -> a replica of that shard -> its keys from there on, through all successive
//   shards that it holds -> the next place, on another node ...
//
// The answer to one command is bounded in records examined, bytes, calls and time, and contains the
// place to continue from. A shard without an answering replica is an error, because its keys would
// be missing silently. The client may then retry with the same cursor.

import type { Clock } from '../../../base/clock.ts';
import { SteleError } from '../../../base/errors.ts';
import type { DatanodeLink, LookupTargetRef } from '../../../proto/ports.ts';
import { POSITION_COUNT } from '../../../resp/data/scan-cursor.ts';
import { collectKeys, countKeys } from '../../../resp/data/keys-command.ts';
import type { ScanPlace } from '../../../resp/data/scan-cursor.ts';
import { shardOfSlot } from '../../../ring/shard.ts';
import { ReplicaCaller } from '../../../routing/replica-caller.ts';
import type { NodeSlot } from '../../../routing/node-slot.ts';
import type { Router } from '../../../routing/router.ts';

/** Commands that wait for datanodes at the same time. */
const COMMANDS_MAX = 256;
/** Datanodes that one SCAN asks: with few keys and many shards each returns little. */
const CALLS_MAX = 32;
const PAGE_BYTES_MAX = 1024 * 1024;
/** The keys of a slot are searched for in a whole shard. */
const SLOT_DEADLINE_MS = 20_000;
const SLOT_PAGE_RECORDS = 10_000;
/** RANDOMKEY chooses among this many neighbours. */
const RANDOM_CANDIDATES = 16;

export interface KeyScannerOptions {
  readonly router: Router;
  /** The link to a datanode; undefined while it is offline. */
  readonly links: (nodeId: string) => DatanodeLink | undefined;
  /** For one command, all calls together. */
  readonly deadlineMs: number;
  readonly nowMs: Clock;
  /** 0 <= random() < 1. */
  readonly random: () => number;
}

export interface ScannedPage {
  readonly keys: Uint8Array[];
  /** `shard` is the number of shards at the end. */
  readonly next: ScanPlace;
}

interface PageLimits {
  readonly recordsMax: number;
  readonly pattern?: Buffer | undefined;
  readonly slot?: number | undefined;
}

export class KeyScanner {
  readonly #options: KeyScannerOptions;
  readonly #caller: ReplicaCaller;
  #running = 0;

  constructor(options: KeyScannerOptions) {
    this.#options = options;
    this.#caller = new ReplicaCaller(options);
  }

  /** Keys of `target` from a place on. Throws UNAVAILABLE, OVERLOADED. */
  scan(
    target: LookupTargetRef,
    from: ScanPlace,
    count: number,
    pattern: Buffer | undefined,
  ): Promise<ScannedPage> {
    return this.#bounded(async () => {
      const { router, nowMs, deadlineMs } = this.#options;
      const deadlineAtMs = nowMs() + deadlineMs;
      const keys: Uint8Array[] = [];
      let next = from;
      let recordsLeft = count;
      let bytesLeft = PAGE_BYTES_MAX;
      for (let calls = 0; calls < CALLS_MAX && recordsLeft > 0 && bytesLeft > 0; calls++) {
        if (next.shard >= router.table.shardCount) break;
        const limits = { recordsMax: recordsLeft, pattern };
        const page = await this.#page(target, next, limits, deadlineAtMs);
        next = page.next;
        recordsLeft -= page.records;
        for (const key of page.keys) bytesLeft -= key.length;
        // One by one: spreading thousands into push would need the stack.
        for (const key of page.keys) keys.push(key);
      }
      return { keys, next };
    });
  }

  /**
   * A random key of `target`, which has `records`; undefined if it has none. Throws UNAVAILABLE,
   * OVERLOADED.
   */
  randomKey(target: LookupTargetRef, records: number): Promise<Uint8Array | undefined> {
    if (records === 0) return Promise.resolve(undefined);
    return this.#bounded(async () => {
      const { router, random, nowMs, deadlineMs } = this.#options;
      const deadlineAtMs = nowMs() + deadlineMs;
      const shard = Math.floor(random() * router.table.shardCount);
      const position = Math.floor(random() * POSITION_COUNT);
      for (const slot of shuffled([...router.nodes()], random)) {
        for (const place of [
          { shard, position },
          { shard: 0, position: 0 },
        ]) {
          const keys = await this.#candidates(slot, target, place, deadlineAtMs);
          if (keys.length > 0) return keys[Math.floor(random() * keys.length)];
        }
      }
      throw new SteleError('UNAVAILABLE', 'No datanode that answers has a key of it.');
    });
  }

  /**
   * The number of keys in a slot: every key of its shard is read. Throws UNAVAILABLE, OVERLOADED.
   */
  countSlot(target: LookupTargetRef, slot: number): Promise<number> {
    return this.#bounded(() => countKeys(...this.#slotPages(target, slot)));
  }

  /** At most `keysMax` keys of a slot. Throws as `countSlot`, and UNSUPPORTED. */
  slotKeys(target: LookupTargetRef, slot: number, keysMax: number): Promise<Uint8Array[]> {
    return this.#bounded(() => collectKeys(...this.#slotPages(target, slot), keysMax));
  }

  #slotPages(target: LookupTargetRef, slot: number): Parameters<typeof countKeys> {
    const shard = shardOfSlot(slot, this.#options.router.table.shardCount);
    const deadlineAtMs = this.#options.nowMs() + SLOT_DEADLINE_MS;
    const limits = { recordsMax: SLOT_PAGE_RECORDS, slot };
    return [
      { from: shard, to: shard + 1 },
      (place) => this.#page(target, place, limits, deadlineAtMs),
    ];
  }

  async #page(
    target: LookupTargetRef,
    { shard, position }: ScanPlace,
    { pattern, recordsMax, slot }: PageLimits,
    deadlineAtMs: number,
  ): Promise<ScannedPage & { readonly records: number }> {
    const request = {
      ...refOf(target),
      shard,
      position,
      skipMissing: false,
      recordsMax,
      pattern: pattern ?? NO_PATTERN,
      slot,
    };
    const answer = await this.#caller.ask(shard, deadlineAtMs, (link, expectNode, options) =>
      link.scanKeys({ ...request, expectNode }, options),
    );
    const next = { shard: answer.nextShard, position: answer.nextPosition };
    // A scan that does not advance would never end.
    if (next.shard < shard || (next.shard === shard && next.position <= position)) {
      throw new SteleError('INTERNAL', `A scan stood still at shard ${shard}, ${position}.`);
    }
    return { keys: answer.keys, records: answer.records, next };
  }

  /** A few keys of one node after a position; none if the node cannot be asked. */
  async #candidates(
    slot: NodeSlot,
    target: LookupTargetRef,
    { shard, position }: ScanPlace,
    deadlineAtMs: number,
  ): Promise<readonly Uint8Array[]> {
    const request = {
      expectNode: slot.id,
      ...refOf(target),
      shard,
      position,
      skipMissing: true,
      recordsMax: RANDOM_CANDIDATES,
      pattern: NO_PATTERN,
    };
    try {
      const answer = await this.#caller.call(slot, deadlineAtMs, (link, _, options) =>
        link.scanKeys(request, options),
      );
      return answer.keys;
    } catch {
      return [];
    }
  }

  async #bounded<Answer>(work: () => Promise<Answer>): Promise<Answer> {
    if (this.#running >= COMMANDS_MAX) {
      throw new SteleError('OVERLOADED', 'Too many scans at once; try again later.');
    }
    this.#running++;
    try {
      return await work();
    } finally {
      this.#running--;
    }
  }
}

const NO_PATTERN = Buffer.alloc(0);

function refOf({ keyspaceUid, version }: LookupTargetRef): LookupTargetRef {
  return { keyspaceUid, version };
}

/** A random permutation (Fisher and Yates). */
function shuffled<Item>(items: Item[], random: () => number): Item[] {
  for (let at = items.length - 1; at > 0; at--) {
    const other = Math.floor(random() * (at + 1));
    [items[at], items[other]] = [items[other] as Item, items[at] as Item];
  }
  return items;
}
