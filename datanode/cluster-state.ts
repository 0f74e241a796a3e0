// The view this node has been given: which keyspaces there are, what is current, who serves what.
//
// A view replaces the one before only if its (epoch, revision) is higher; a late one is ignored. Of the same
// epoch and another term it replaces it, too: this node obeys one term of an epoch (identity.ts).
// `changed` listeners see only whole views, so a reader never sees half of a change.

import { shardOfSlot } from '../ring/shard.ts';
import type { ClusterView, KeyspaceView, NodeView } from '../proto/gen/stele/v1/view.ts';

export class ClusterState {
  #view: ClusterView | undefined;
  #byName = new Map<string, KeyspaceView>();
  #byIndex = new Map<number, KeyspaceView>();
  #byUid = new Map<string, KeyspaceView>();

  /** Undefined until the master has sent one. */
  get view(): ClusterView | undefined {
    return this.#view;
  }

  /** False when the view is not newer than the present one. */
  apply(view: ClusterView): boolean {
    const present = this.#view;
    if (present !== undefined && !isNewer(view, present)) return false;
    this.#view = view;
    this.#byName = new Map(view.keyspaces.map((keyspace) => [keyspace.name, keyspace]));
    this.#byIndex = new Map(view.keyspaces.map((keyspace) => [keyspace.index, keyspace]));
    this.#byUid = new Map(view.keyspaces.map((keyspace) => [keyspace.uid, keyspace]));
    return true;
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

  /** The nodes that answer for a slot, best first. */
  nodesOfSlot(slot: number): NodeView[] {
    const view = this.#view;
    if (view === undefined) return [];
    const route = view.routes[shardOfSlot(slot, view.shardCount)];
    return (route?.nodes ?? []).flatMap((index) => view.nodes[index] ?? []);
  }
}

function isNewer(next: ClusterView, present: ClusterView): boolean {
  if (next.epoch !== present.epoch) return next.epoch > present.epoch;
  if (next.term !== present.term) return true;
  return next.revision > present.revision;
}
