// The view in force on this node: which keyspaces exist, what is current, who serves what.
//
// A view replaces the previous one only if its (epoch, revision) is higher; a late one is ignored.
// A view of the same epoch and another term replaces it too, because this node obeys one term per
// epoch (identity.ts). Listeners see only complete views, so a reader never sees half of a change.

import { shardOfSlot } from '../../ring/shard.ts';
import type { ClusterView, KeyspaceView, NodeView } from '../../proto/gen/stele/v1/view.ts';
import { isSameTerm } from '../../proto/view-words.ts';

export class CurrentView {
  #view: ClusterView | undefined;
  #isRestored = false;
  #byName = new Map<string, KeyspaceView>();
  #byIndex = new Map<number, KeyspaceView>();
  #byUid = new Map<string, KeyspaceView>();
  readonly #listeners: (() => void)[] = [];

  /** True while the view is one that an earlier process of this node was given. */
  get isRestored(): boolean {
    return this.#isRestored;
  }

  /** Undefined until the master has sent a view, or one was restored. */
  get view(): ClusterView | undefined {
    return this.#view;
  }

  /** Returns false if the view is not newer than the present one. */
  apply(view: ClusterView): boolean {
    const present = this.#view;
    if (present !== undefined && !isNewer(view, present)) {
      // The master may still be the same leader and send the restored view again.
      const isSame = view.epoch === present.epoch && view.revision === present.revision;
      if (!this.#isRestored || !isSame) return false;
    }
    this.#isRestored = false;
    this.#take(view);
    return true;
  }

  /** Uses a view of an earlier process until the master sends one that is not older. */
  restore(view: ClusterView): void {
    if (this.#view !== undefined) return;
    this.#isRestored = true;
    this.#take(view);
  }

  #take(view: ClusterView): void {
    this.#view = view;
    this.#byName = new Map(view.keyspaces.map((keyspace) => [keyspace.name, keyspace]));
    this.#byIndex = new Map(view.keyspaces.map((keyspace) => [keyspace.index, keyspace]));
    this.#byUid = new Map(view.keyspaces.map((keyspace) => [keyspace.uid, keyspace]));
    for (const listener of this.#listeners) listener();
  }

  /** Calls `listener` after each accepted view. It must not throw. */
  subscribe(listener: () => void): void {
    this.#listeners.push(listener);
  }

  keyspaceNamed(name: string): KeyspaceView | undefined {
    return this.#byName.get(name);
  }

  keyspaceAt(index: number): KeyspaceView | undefined {
    return this.#byIndex.get(index);
  }

  keyspaceOf(uid: string): KeyspaceView | undefined {
    return this.#byUid.get(uid);
  }

  /** The nodes that serve a slot, best first. */
  nodesOfSlot(slot: number): NodeView[] {
    const view = this.#view;
    if (view === undefined) return [];
    const route = view.routes[shardOfSlot(slot, view.shardCount)];
    return (route?.nodes ?? []).flatMap((index) => view.nodes[index] ?? []);
  }
}

function isNewer(next: ClusterView, present: ClusterView): boolean {
  if (isSameTerm(next, present)) return next.revision > present.revision;
  return next.epoch >= present.epoch;
}
