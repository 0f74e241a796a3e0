// What a simulated datanode does with deltas: counts what one changes, by the real overlay, and merges
// them by the real merge, in the order of datanode/maintenance/merger.ts: one order at a time, held only once the result
// is what the master expects, and durable. One object a run of the datanode.

import type { Holdings } from '../../datanode/storage/holdings.ts';
import { MergeState } from '../../proto/gen/stele/v1/datanode.ts';
import type {
  DeltaMeasure,
  DeltaRef,
  MergeOrder,
  MergeStatus,
} from '../../proto/gen/stele/v1/datanode.ts';
import type { RecordTotals, SegmentInfo } from '../../proto/gen/stele/v1/segment.ts';
import { overlaySteps } from '../../segment/overlay.ts';
import type { Segment } from '../../segment/reader.ts';
import { finish } from '../segment/chains.ts';
import type { SimProcess } from './sim-clock.ts';
import { infoOfId, mergedIdOf, segmentIdOfDigest } from './sim-segment.ts';
import type { SimWorld } from './sim-world.ts';

/** Makes a segment that was made here durable, and holds it; empty: it is. */
type Keep = (uid: string, segmentId: string, done: (error: string) => void) => void;

export class SimDeltas {
  readonly #sim: SimWorld;
  readonly #node: SimProcess;
  readonly #holdings: Holdings;
  readonly #keep: Keep;
  readonly #queue = new Map<string, MergeOrder>();
  readonly #failures = new Map<string, string>();
  /** What orders came to, by one who leaves a delta out and says that it did not. */
  readonly #vouched = new Map<string, string>();
  #running: string | undefined;

  constructor(sim: SimWorld, node: SimProcess, holdings: Holdings, keep: Keep) {
    this.#sim = sim;
    this.#node = node;
    this.#holdings = holdings;
    this.#keep = keep;
  }

  measure(uid: string, { olderIds, segmentId }: DeltaRef): DeltaMeasure {
    const delta = this.#holdings.get(uid, segmentId);
    const older = olderIds.map((id) => this.#holdings.get(uid, id));
    const nothing = { added: 0, replaced: 0, unchanged: 0, overwritten: undefined };
    if (delta === undefined || !older.every((segment) => segment !== undefined)) {
      return { segmentId, held: false, ...nothing };
    }
    return { segmentId, held: true, ...finish(overlaySteps(delta, older)) };
  }

  /** How far each order is; those that are not begun are queued. */
  accept(orders: readonly MergeOrder[]): MergeStatus[] {
    const statuses = orders.map((order) => this.#status(order));
    if (this.#running === undefined) this.#startNext();
    return statuses;
  }

  #status(order: MergeOrder): MergeStatus {
    const name = nameOf(order);
    const done = this.#resultOf(order);
    if (done !== undefined) {
      this.#holdings.claim(order.keyspaceUid, done.id);
      return { state: MergeState.DONE, segment: done, reason: '' };
    }
    const reason = this.#failures.get(name);
    if (reason !== undefined) {
      this.#failures.delete(name);
      return { state: MergeState.FAILED, segment: undefined, reason };
    }
    if (this.#running !== name) this.#queue.set(name, order);
    return { state: MergeState.WAITING, segment: undefined, reason: '' };
  }

  #resultOf(order: MergeOrder): SegmentInfo | undefined {
    const { keyspaceUid, shard, totals } = order;
    const lie = this.#vouched.get(nameOf(order));
    if (lie !== undefined && totals !== undefined) return { ...infoOfId(lie), ...totals };
    const id = segmentIdOfDigest(shard, totals?.digest.toString('hex') ?? '');
    if (id === undefined || this.#holdings.get(keyspaceUid, id) === undefined) return undefined;
    return holdsTotals(infoOfId(id), totals) ? infoOfId(id) : undefined;
  }

  #startNext(): void {
    const [next] = this.#queue;
    this.#running = undefined;
    if (next === undefined) return;
    const [name, order] = next;
    this.#queue.delete(name);
    this.#running = name;
    const { clock, random } = this.#sim;
    clock.after(random.int(5, 600), this.#node, () =>
      this.#merge(order, (error) => {
        if (error !== '') this.#failures.set(name, error);
        this.#startNext();
      }),
    );
  }

  #merge(order: MergeOrder, done: (error: string) => void): void {
    const { keyspaceUid: uid, segmentIds, totals } = order;
    const segments: readonly (Segment | undefined)[] = segmentIds.map((id) =>
      this.#holdings.get(uid, id),
    );
    if (segments.includes(undefined)) return done('a segment is not held here');
    const isLying = this.#sim.has('merge-drops-delta');
    const merged = mergedIdOf(isLying ? segmentIds.slice(0, -1) : segmentIds);
    if (isLying) this.#vouched.set(nameOf(order), merged);
    else if (!holdsTotals(infoOfId(merged), totals)) return done('it comes to something else');
    this.#keep(uid, merged, done);
  }
}

function nameOf({ keyspaceUid, segmentIds }: MergeOrder): string {
  return `${keyspaceUid} ${segmentIds.join(' ')}`;
}

function holdsTotals(info: SegmentInfo, totals: RecordTotals | undefined): boolean {
  return (
    info.records === totals?.records &&
    info.keyBytes === totals.keyBytes &&
    info.valueBytes === totals.valueBytes &&
    info.digest.equals(totals.digest)
  );
}
