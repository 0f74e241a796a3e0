// Decides which of the views from masters the reader adopts.
//
//   newer revision, same epoch               adopted
//   newer epoch, ready or settled            adopted
//   newer epoch, neither                     held: a master that has just started does not know yet
//                                            what the datanodes have; the present view does
//   older revision, same term                refused: this master lags
//   older epoch, same cluster                refused: this master was replaced, or lags
//   older, or same epoch of another term     held: the master started with an older catalog
//
// A held view is adopted if no better one arrives within HOLD_MS: then the cluster really is in
// that state, or another cluster runs at the same address. A view of an older epoch must be ready
// as well: datanodes refuse a replaced master, so its views never are.
//
// Invariant: within one cluster, the epoch of the adopted view never falls, nor within one term its
// revision. Masters of earlier releases do not name their cluster; their older epochs are held.

import { systemTime } from '../base/clock.ts';
import type { Cancel, Time } from '../base/clock.ts';
import type { ClusterView } from '../proto/gen/stele/v1/view.ts';
import { isSameTerm } from '../proto/view-words.ts';

const HOLD_MS = 10_000;

export class ViewOrder {
  readonly #taken: (view: ClusterView) => void;
  readonly #holdMs: number;
  readonly #time: Time;
  #present: ClusterView | undefined;
  #held: ClusterView | undefined;
  #cancel: Cancel | undefined;

  /** Calls `taken` with each view that is adopted. */
  constructor(taken: (view: ClusterView) => void, { holdMs = HOLD_MS, time = systemTime } = {}) {
    this.#taken = taken;
    this.#holdMs = holdMs;
    this.#time = time;
  }

  /** Returns false if the master that sent `view` has been replaced. */
  offer(view: ClusterView): boolean {
    const present = this.#present;
    if (present === undefined || isBetter(view, present)) this.#take(view);
    else if (isSameTerm(view, present)) {
      if (view.revision === present.revision) this.#letGo();
    } else if (isReplaced(view, present)) {
      return false;
    } else {
      this.#held = view;
      this.#cancel ??= this.#time.after(this.#holdMs, () => this.#onHeldLong());
    }
    return true;
  }

  #onHeldLong(): void {
    const held = this.#held;
    if (held === undefined) return;
    if (held.ready || held.epoch > (this.#present?.epoch ?? 0)) return this.#take(held);
    this.#cancel = this.#time.after(this.#holdMs, () => this.#onHeldLong());
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
    this.#cancel?.();
    this.#cancel = undefined;
    this.#held = undefined;
  }
}

function isBetter(view: ClusterView, present: ClusterView): boolean {
  if (isSameTerm(view, present)) return view.revision > present.revision;
  return view.epoch > present.epoch && (view.ready || view.settled === true || !present.ready);
}

function isReplaced(view: ClusterView, present: ClusterView): boolean {
  const { clusterId = '' } = view;
  return clusterId !== '' && clusterId === present.clusterId && view.epoch < present.epoch;
}
