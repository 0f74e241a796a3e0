// What the judge sees of a master's control plane, whether that is the only one or leads for a
// while; the fault that makes parts of a master throw is injected here.

import type { BackgroundTasks } from '../../../base/background.ts';
import { currentActor } from '../../../master/callers/actor.ts';
import type { ControlPlane, ControlPlaneOptions } from '../../../master/control-plane.ts';
import type { DeepStore } from '../../../master/control/archiving/deep-store.ts';
import type { ControlEvent } from '../../../master/core/control-events.ts';
import { SimObjectStore } from '../world/bucket.ts';
import type { SimProcess } from '../world/clock.ts';
import { throwNowAndThen } from './cluster.ts';
import type { Cluster } from './cluster.ts';
import { SHARDS } from './segments.ts';

const HEARTBEAT_MS = 500;
const HEARTBEAT_DEADLINE_MS = 1_000;
export const DEEP_STORE_URL = 's3://simulated';
const DELETION_MS_MAX = 10_000;
/** Less than the chaos lasts. */
const GRACE_MS = 10_000;

export function watchPlane(
  cluster: Cluster,
  master: SimProcess,
  plane: ControlPlane,
  background: BackgroundTasks,
): void {
  const { judge } = cluster;
  const { catalog, control, sync } = plane.leader;
  plane.leader.subscribe((view) => {
    // Before its epoch is durable a master answers reads by a view that no datanode is given.
    if (plane.leader.isLeading) judge.viewPublished(view, plane.leader.world);
  });
  plane.leader.subscribe(() => throwNowAndThen(cluster, 'a listener of views'));
  const dispatch = control.dispatch.bind(control);
  control.dispatch = (event: ControlEvent) => {
    judge.dispatched(master, event);
    // Before the event is taken, or after it.
    if (event.kind === 'answered' || event.kind === 'missed')
      throwNowAndThen(cluster, 'a handler of heartbeats');
    dispatch(event);
    if (event.kind === 'listed' || event.kind === 'view-applied')
      throwNowAndThen(cluster, 'a step of a node sync');
  };
  const applyAgain = sync.applyAgain.bind(sync);
  sync.applyAgain = () => {
    throwNowAndThen(cluster, 'a part of a turn');
    applyAgain();
  };
  const guard = background.guard.bind(background);
  background.guard = (name, work) =>
    guard(name, () => {
      if (name.startsWith('order ')) throwNowAndThen(cluster, 'a part of a turn');
      work();
      if (name === 'control turn') throwNowAndThen(cluster, 'a turn');
    });
  const update = catalog.update.bind(catalog);
  catalog.update = (transition) => {
    const { who } = currentActor();
    return update((state) => {
      const made = transition(state);
      judge.catalogChanges(who, made.changes);
      return made;
    });
  };
}

/** The deep store of a master, if the cluster has one. */
export function deepStoreOf({ bucket }: Cluster, master: SimProcess): DeepStore | undefined {
  if (bucket === undefined) return undefined;
  return {
    ref: { url: DEEP_STORE_URL, s3Endpoint: '', s3Region: '' },
    open: () => Promise.resolve(new SimObjectStore(bucket, master)),
    bytesPerSecondMax: 0,
    graceMs: GRACE_MS,
    deletionMsMax: DELETION_MS_MAX,
  };
}

export function settingsOf(
  replication: number,
  virtualNodes: number,
): ControlPlaneOptions['settings'] {
  return {
    dataDir: '/data',
    shards: SHARDS,
    virtualNodes,
    replication,
    heartbeatInterval: HEARTBEAT_MS,
    heartbeatDeadline: HEARTBEAT_DEADLINE_MS,
    suspectMisses: 1,
    downMisses: 3,
    repairDelay: 4_000,
    copiesPerNode: 2,
    repairBytesPerSecond: 0,
    mergeBytesPerSecond: 0,
    retireDelay: 1_500,
    lookupDeadline: 1_000,
  };
}
