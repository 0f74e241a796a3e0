// What tiers.ts has to move, and in which order: of the keyspace with the most reads first, and in it
// the segments of the current version. A few segments move at a time, over all keyspaces.

import type { Holdings, Misplaced, Tier } from './holdings.ts';

/** What readers want first. */
export interface MoveOrder {
  /** Reads of a keyspace since the start. */
  reads(keyspaceUid: string): number;
  /** The segments of the version that readers are answered from. */
  currentIds(keyspaceUid: string): ReadonlySet<string> | undefined;
}

/** A keyspace of which segments move. */
export interface Move {
  readonly uid: string;
  readonly startedMs: number;
  /** Where they move. */
  tier: Tier;
  /** The next one is last. */
  queue: Misplaced[];
  /** Segments that are being moved. */
  running: number;
  done: number;
  /** The first failure; the rest of the queue is given up. */
  failure: unknown;
}

export class MoveQueue {
  readonly #holdings: Holdings;
  readonly #order: MoveOrder;
  readonly #moves = new Map<string, Move>();

  constructor(holdings: Holdings, order: MoveOrder) {
    this.#holdings = holdings;
    this.#order = order;
  }

  has(uid: string): boolean {
    return this.#moves.has(uid);
  }

  /** Adds a keyspace. Returns false if it is here, or nothing of it is misplaced. */
  add(uid: string, startedMs: number): boolean {
    if (this.#moves.has(uid)) return false;
    const tier = this.#holdings.tierOf(uid);
    const move = { uid, startedMs, tier, queue: [], running: 0, done: 0, failure: undefined };
    if (!this.#refill(move)) return false;
    this.#moves.set(uid, move);
    return true;
  }

  /** The keyspace that readers want most, of those with segments that nobody moves yet. */
  hottest(): Move | undefined {
    let [hottest, most]: [Move | undefined, number] = [undefined, -1];
    for (const move of this.#moves.values()) {
      const reads = move.queue.length === 0 ? -1 : this.#order.reads(move.uid);
      if (reads > most) [hottest, most] = [move, reads];
    }
    return hottest;
  }

  /** Takes the next segment of a move. Undefined: its tier has changed, so there are others. */
  take(move: Move): Misplaced | undefined {
    const tier = this.#holdings.tierOf(move.uid);
    if (tier === move.tier) return move.queue.pop();
    move.queue.length = 0;
    return undefined;
  }

  /**
   * Whether a move is over, which removes it: nothing is misplaced any more, it has failed, or its
   * keyspace is suspended.
   */
  isOver(move: Move): boolean {
    if (move.queue.length > 0 || move.running > 0) return false;
    if (move.failure === undefined && this.#refill(move)) return false;
    return this.#moves.delete(move.uid);
  }

  #refill(move: Move): boolean {
    move.tier = this.#holdings.tierOf(move.uid);
    if (move.tier === 'none') return false;
    const current = this.#order.currentIds(move.uid);
    const misplaced = this.#holdings.misplacedOf(move.uid);
    const first = misplaced.filter(({ segmentId }) => current?.has(segmentId) === true);
    const others = misplaced.filter(({ segmentId }) => current?.has(segmentId) !== true);
    move.queue = [...others.reverse(), ...first.reverse()];
    return misplaced.length > 0;
  }
}
