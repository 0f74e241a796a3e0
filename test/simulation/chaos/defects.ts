// Rules that are broken on purpose, to see that the simulation notices. Each is planted from
// outside, by a wrapper around an object of the product or around what that stands on.

import { SteleError } from '../../../base/errors.ts';
import type { Env } from '../../../base/env.ts';
import type { Datanode } from '../../../datanode/node.ts';
import type { CatalogState, Transition } from '../../../master/catalog/catalog.ts';
import { applyChanges } from '../../../master/catalog/catalog.ts';
import type { ControlPlane, ControlPlaneOptions } from '../../../master/control-plane.ts';
import { ArchiveState, MergeState } from '../../../proto/gen/stele/v1/datanode.ts';
import { LookupStatus } from '../../../proto/gen/stele/v1/lookup.ts';
import type { DatanodeLink, LinkFactory } from '../../../proto/ports.ts';
import { mergeSegments } from '../../../segment/merge.ts';
import { openSegment } from '../../../segment/reader.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { SimDatanode } from '../cluster/datanode.ts';
import type { EtcdDefect } from './etcd-defects.ts';

export type Defect =
  // A disk, a store, or their writers.
  | 'skip-fsync'
  | 'ack-before-durable'
  | 'restore-gives-numbers-again'
  // A rule of a datanode.
  | 'ignore-epoch'
  | 'swap-early'
  | 'serve-unverified'
  | 'missing-is-not-found'
  | 'merge-early'
  | 'drop-ignores-claim'
  // A rule of the deep store.
  | 'archived-early'
  // A rule of a commit.
  | 'append-to-other'
  | 'merge-drops-delta'
  | 'commit-after-lease'
  // A shell that does not stand what happens to it.
  | 'turn-unguarded'
  | 'heartbeat-loop-ends'
  | 'stall-is-silence'
  | 'hung-disk-silences'
  | 'calls-without-deadline'
  | EtcdDefect;

const LATE_MS = 100;

/** Before a master opens its store. */
export function plantInMaster(
  { clock, defect, single }: Cluster,
  options: ControlPlaneOptions & { readonly env: Env },
): ControlPlaneOptions & { readonly env: Env } {
  const { background } = options;
  if (defect === 'ack-before-durable' && single !== undefined) single.store.lies = true;
  if (defect === 'restore-gives-numbers-again') {
    return { ...options, metadata: { ...options.metadata, restored: false } };
  }
  if (defect === 'stall-is-silence') {
    return { ...options, env: withoutLateness(options.env, () => clock.nowMs) };
  }
  if (defect === 'calls-without-deadline') {
    return { ...options, links: withoutDeadlines(options.links) };
  }
  if (defect === 'turn-unguarded') {
    background.guard = (_name, work) => {
      work();
      return true;
    };
  }
  if (defect === 'heartbeat-loop-ends') endWithThrows(background);
  if (defect === 'orders-after-lease') return { ...options, mayOrder: () => true };
  return options;
}

/** Before a master begins to do anything by itself. */
export function plantInPlane({ defect }: Cluster, { leader: { catalog } }: ControlPlane): void {
  const update = catalog.update.bind(catalog);
  if (defect === 'merge-drops-delta') {
    catalog.update = (transition) => update((state) => droppingDeltas(state, transition(state)));
  }
  const isOther = defect === 'append-to-other';
  if (!isOther && defect !== 'commit-after-lease') return;
  const refusal = isOther ? 'CONFLICT' : 'LOAD_REJECTED';
  catalog.update = (transition) =>
    update((state) => {
      try {
        return transition(state);
      } catch (thrown) {
        if (!(thrown instanceof SteleError) || thrown.code !== refusal) throw thrown;
        return transition(isOther ? asAppendsBegan(state) : asLoadsRan(state));
      }
    });
}

/** Of a manifest in which deltas were merged the newest segment is lost. */
function droppingDeltas<Result>(
  state: CatalogState,
  { changes, result }: Transition<Result>,
): Transition<Result> {
  const dropping = changes.map((change) => {
    if (change.table !== 'manifest' || change.record === undefined) return change;
    const { revision = 0, segments } = change.record;
    if (revision <= (state.manifest.get(change.id)?.revision ?? 0)) return change;
    return { ...change, record: { ...change.record, segments: segments.slice(0, -1) } };
  });
  return { changes: dropping, result };
}

/** Every append finds current what was so when it began. */
function asAppendsBegan(state: CatalogState): CatalogState {
  const keyspaces = [...state.load.values()].flatMap((load) => {
    const keyspace = state.keyspace.get(load.keyspaceUid);
    if (load.state !== 'RUNNING' || load.mode !== 'APPEND' || keyspace === undefined) return [];
    const desired = { ...keyspace.desired, currentVersion: load.base ?? 0 };
    return [{ table: 'keyspace', id: keyspace.uid, record: { ...keyspace, desired } } as const];
  });
  return applyChanges(state, keyspaces);
}

/** No load is over that has no version. */
function asLoadsRan(state: CatalogState): CatalogState {
  const ended = [...state.load.values()].filter(({ version }) => version === undefined);
  return applyChanges(
    state,
    ended.map((load) => ({ table: 'load', id: load.id, record: { ...load, state: 'RUNNING' } })),
  );
}

/**
 * A timer that fires late finds the time at which it was due, and does not wait for what has come
 * meanwhile.
 */
function withoutLateness(env: Env, clockMs: () => number): Env {
  let dueMs: number | undefined;
  const nowMs = (): number => dueMs ?? clockMs();
  const atDue = (atMs: number, callback: () => void) => (): void => {
    dueMs = atMs;
    try {
      callback();
    } finally {
      dueMs = undefined;
    }
  };
  return {
    ...env,
    nowMs,
    after: (delayMs, callback) => env.after(delayMs, atDue(nowMs() + delayMs, callback)),
    soon: (callback) => {
      const isLate = clockMs() - nowMs() > LATE_MS;
      if (!isLate) return env.soon(atDue(nowMs(), callback));
      callback();
      return () => undefined;
    },
  };
}

/** Only heartbeats are given up. */
function withoutDeadlines(links: LinkFactory): LinkFactory {
  return {
    connect: (target) => {
      const link = links.connect(target);
      return {
        ...link,
        applyView: (request, options) => link.applyView(request, { ...options, deadlineMs: 1e9 }),
        listHoldings: (request, options) =>
          link.listHoldings(request, { ...options, deadlineMs: 1e9 }),
        putManifest: (request, options) =>
          link.putManifest(request, { ...options, deadlineMs: 1e9 }),
      };
    },
  };
}

/** What a handler of heartbeats throws ends the loop of its node. */
function endWithThrows(background: ControlPlaneOptions['background']): void {
  const fault = background.fault.bind(background);
  const guard = background.guard.bind(background);
  const thrownOnce = new WeakSet<object>();
  background.fault = (name, thrown) => {
    const isFirst = typeof thrown === 'object' && thrown !== null && !thrownOnce.has(thrown);
    if (name !== 'heartbeat' || !isFirst) return fault(name, thrown);
    thrownOnce.add(thrown);
    throw thrown;
  };
  background.guard = (name, work) => {
    if (name !== 'heartbeat answer' && name !== 'missed heartbeat') return guard(name, work);
    work();
    return true;
  };
}

/** Before a datanode serves anything. */
export function plantInDatanode({ defect }: Cluster, process: SimDatanode, node: Datanode): void {
  const { holdings, identity } = node;
  if (defect === 'skip-fsync') process.disk.lies = true;
  if (defect === 'ignore-epoch') {
    identity.admit = () => Promise.resolve();
    identity.admitToServe = () => Promise.resolve(true);
  }
  if (defect === 'swap-early') {
    const put = node.putManifest.bind(node);
    node.putManifest = async (request) => {
      const held = [...(request.manifest?.segments ?? [])];
      return { ...(await put(request)), held, heldSegmentIds: held.map(({ id }) => id) };
    };
  }
  if (defect === 'serve-unverified') {
    for (const [name, { bytes }] of process.segmentFiles()) {
      const [uid = '', id = ''] = name.split(' ');
      try {
        holdings.add(uid, id, openSegment(Buffer.from(bytes)));
      } catch {
        // What cannot be opened cannot be served either.
      }
    }
  }
  if (defect === 'drop-ignores-claim') {
    const remove = holdings.remove.bind(holdings);
    holdings.remove = (uid, id) => remove(uid, id);
  }
  if (defect === 'merge-early') mergeEarly(node);
  const archive = node.archiveSegments.bind(node);
  if (defect === 'archived-early') {
    node.archiveSegments = async (request) => {
      const { statuses } = await archive(request);
      return { statuses: statuses.map(() => ({ state: ArchiveState.DONE, reason: '' })) };
    };
  }
  if (defect === 'hung-disk-silences') {
    const heartbeat = node.heartbeat.bind(node);
    node.heartbeat = async (request, nowMs) => {
      await process.disk.filesOf(process).stat('/data');
      return heartbeat(request, nowMs);
    };
  }
}

/** What a merge comes to is held, and said to be done, before it is on disk. */
function mergeEarly(node: Datanode): void {
  const merge = node.mergeSegments.bind(node);
  node.mergeSegments = async (request) => {
    const { statuses } = await merge(request);
    const early = statuses.map((status, index) => {
      const { keyspaceUid = '', segmentIds = [] } = request.orders[index] ?? {};
      const held = segmentIds.flatMap((id) => node.holdings.get(keyspaceUid, id) ?? []);
      if (status.state !== MergeState.WAITING || held.length < segmentIds.length) return status;
      const { bytes, info } = mergeSegments(held);
      node.holdings.add(keyspaceUid, info.id, openSegment(bytes));
      return { state: MergeState.DONE, segment: info, reason: '' };
    });
    return { statuses: early };
  };
}

/** How a datanode is served. */
export function plantInLink({ defect }: Cluster, link: DatanodeLink): DatanodeLink {
  if (defect !== 'missing-is-not-found') return link;
  const send = link.lookups.send.bind(link.lookups);
  link.lookups.send = (batch) =>
    send({
      ...batch,
      onAnswer: (status, bytes, start, end) => {
        const said = status === LookupStatus.UNAVAILABLE ? LookupStatus.NOT_FOUND : status;
        batch.onAnswer(said, bytes, start, end);
      },
      onFailure: (error) => batch.onFailure(error),
    });
  return link;
}
