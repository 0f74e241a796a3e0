// Which of the views that masters send the client goes by.
//
//   newer than the present one, same epoch           taken
//   newer epoch, ready or settled                    taken
//   newer epoch, neither                             held: a master that has just started does not know
//                                                    yet what the datanodes have; the present one does
//   older, or same epoch of another term             held: of a master that was replaced, or of one that
//                                                    begins with an older catalog
//
// What is held is taken when HOLD_MS pass without one that can be taken at once: then the cluster is
// really so, or it is another cluster at the same address. An older one only once it is ready: the
// datanodes refuse a master that was replaced, so that its views are not.

import type { ClusterView } from '../proto/gen/stele/v1/view.ts';

const HOLD_MS = 10_000;

export class ViewOrder {
  readonly #taken: (view: ClusterView) => void;
  readonly #holdMs: number;
  #present: ClusterView | undefined;
  #held: ClusterView | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** `taken` is called with each view to go by. */
  constructor(taken: (view: ClusterView) => void, holdMs = HOLD_MS) {
    this.#taken = taken;
    this.#holdMs = holdMs;
  }

  offer(view: ClusterView): void {
    const present = this.#present;
    if (present === undefined || isBetter(view, present)) return this.#take(view);
    if (isSameTerm(view, present) && view.revision === present.revision) return this.#letGo();
    this.#held = view;
    this.#timer ??= setTimeout(() => this.#onHeldLong(), this.#holdMs);
  }

  #onHeldLong(): void {
    const held = this.#held;
    if (held === undefined) return;
    if (held.ready || held.epoch > (this.#present?.epoch ?? 0)) return this.#take(held);
    this.#timer = setTimeout(() => this.#onHeldLong(), this.#holdMs);
  }

  close(): void {
    this.#letGo();
  }

  #take(view: ClusterView): void {
    this.#letGo();
    this.#present = view;
    this.#taken(view);
  }

  #letGo(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#held = undefined;
  }
}

function isBetter(view: ClusterView, present: ClusterView): boolean {
  if (isSameTerm(view, present)) return view.revision > present.revision;
  return view.epoch > present.epoch && (view.ready || view.settled === true || !present.ready);
}

function isSameTerm(left: ClusterView, right: ClusterView): boolean {
  return left.epoch === right.epoch && left.term === right.term;
}
