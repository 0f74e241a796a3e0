// The events of the control plane, and how they change the known state. Pure; no decisions here.
//
// Invariants: holdings belong to the incarnation that reported them; when another incarnation
// answers, everything known of the previous one is dropped before anything of the new one is
// recorded; an event of an incarnation that has ended changes nothing; a node is known until it is
// removed, however long it is silent.

import type { KeyspaceUid } from '../../base/ids.ts';
import type { HeartbeatResponse, ListHoldingsResponse } from '../../proto/gen/stele/v1/datanode.ts';
import type { Manifest } from '../../proto/gen/stele/v1/segment.ts';
import type { CatalogState } from '../catalog/catalog.ts';
import { countersOf } from '../catalog/queries.ts';
import type { NodeRecord, VersionId } from '../catalog/records.ts';
import { versionId } from '../catalog/records.ts';
import type { DropPlan } from './plans/cleanup.ts';
import { withEntry } from './world/chunked-map.ts';
import type { ControlSettings, ControlState } from './control-state.ts';
import { catalogFacts } from './world/datasets.ts';
import {
  applyHoldings,
  confirmHeld,
  noHoldings,
  withManifests,
  withoutManifests,
  withoutSegments,
} from './world/holdings.ts';
import type { NodeHoldings } from './world/holdings.ts';
import { answered, knownNode, missed, readsTried } from './world/membership.ts';
import type { NodeStatus } from './world/membership.ts';
import { forgetMerges, noteAnswer } from './plans/merge.ts';
import type { Merge, MergeAnswer } from './plans/merge.ts';
import { copyFailed, copyKey, forgetTarget } from './plans/repair.ts';
import type { Copy } from './plans/repair.ts';
import { manifestName } from './serving/shard-index.ts';
import { unknownNodesUntil } from './world/view-lag.ts';

/** The part of a view that determines what a node needs to serve it. */
interface ViewContent {
  readonly revision: number;
  readonly keyspaces: readonly { readonly uid: string; readonly versions: readonly number[] }[];
}

export type ControlEvent =
  | { readonly kind: 'catalog'; readonly catalog: CatalogState }
  /** A node of the catalog, or one that has just registered. */
  | { readonly kind: 'known'; readonly record: Omit<NodeRecord, 'drain'> }
  | { readonly kind: 'removed'; readonly nodeId: string }
  | { readonly kind: 'answered'; readonly nodeId: string; readonly report: HeartbeatResponse }
  | { readonly kind: 'missed'; readonly nodeId: string }
  /** Reads of the node fail, or work again, regardless of its heartbeats. */
  | {
      readonly kind: 'reads';
      readonly nodeId: string;
      readonly failing: boolean;
      readonly reason?: string;
    }
  /** `since`: the revision from which the list was requested. */
  | (OfRun & {
      readonly kind: 'listed';
      readonly list: ListHoldingsResponse;
      readonly since: number;
    })
  /**
   * The node accepted a version's manifest and confirmed these of its segments, before its next
   * list.
   */
  | (OfRun & {
      readonly kind: 'manifest-held';
      readonly manifest: Pick<Manifest, 'keyspaceUid' | 'version' | 'revision'>;
      readonly segmentIds: readonly string[];
      /** Of the node's holdings when it answered; undefined if not reported. */
      readonly holdingsRevision: number | undefined;
    })
  /** The node has this view and the manifests of all versions in it. */
  | (OfRun & { readonly kind: 'view-applied'; readonly view: ViewContent })
  /**
   * The node has executed a drop order, with the last segments of the versions `refs`, and no
   * longer has any of `segments`.
   */
  | (OfRun & {
      readonly kind: 'dropped';
      readonly refs: readonly VersionId[];
      readonly segments: DropPlan['segments'];
    })
  /** The node refused these orders. */
  | { readonly kind: 'copies-refused'; readonly copies: readonly Copy[] }
  | {
      readonly kind: 'merge-answered';
      readonly nodeId: string;
      readonly merge: Merge;
      readonly answer: MergeAnswer;
    }
  /** The results of these merges are in the manifests now. */
  | { readonly kind: 'merges-over'; readonly merges: readonly Merge[] }
  /**
   * No load of the keyspace will be resumed: segments that no manifest names are garbage at once.
   */
  | { readonly kind: 'load-forgotten'; readonly uid: KeyspaceUid };

interface OfRun {
  readonly nodeId: string;
  readonly incarnation: string;
}

export function applyEvent(
  state: ControlState,
  event: ControlEvent,
  nowMs: number,
  settings: ControlSettings,
): ControlState {
  switch (event.kind) {
    case 'catalog':
      return onCatalog(state, event.catalog, nowMs, settings);
    case 'known':
      return onKnown(state, event.record, nowMs, settings);
    case 'removed':
      return onRemoved(state, event.nodeId);
    case 'answered':
      return onAnswered(state, event.nodeId, event.report, nowMs);
    case 'missed':
      return onMissed(state, event.nodeId, nowMs, settings);
    case 'reads':
      return onReads(state, event.nodeId, event.failing, event.reason);
    case 'copies-refused':
      return onRefused(state, event.copies, nowMs);
    case 'merge-answered': {
      const merges = noteAnswer(state.merges, event.merge, event.nodeId, event.answer, nowMs);
      return { ...state, merges };
    }
    case 'merges-over':
      return { ...state, merges: forgetMerges(state.merges, event.merges) };
    case 'load-forgotten':
      return {
        ...state,
        knownSinceMs: new Map(state.knownSinceMs).set(event.uid, Number.NEGATIVE_INFINITY),
      };
    default:
      return state.nodes.get(event.nodeId)?.incarnation === event.incarnation
        ? onRunEvent(state, event)
        : state;
  }
}

type RunEvent = Extract<ControlEvent, OfRun>;

function onRunEvent(state: ControlState, event: RunEvent): ControlState {
  const { incarnation, nodeId } = event;
  switch (event.kind) {
    case 'listed':
      return withHoldings(state, nodeId, (before) => onListed(state, before, event));
    case 'manifest-held': {
      const { holdingsRevision, manifest, segmentIds } = event;
      const { keyspaceUid, revision, version } = manifest;
      return withHoldings(state, nodeId, (before) =>
        withManifests(
          confirmHeld(before, keyspaceUid, segmentIds, holdingsRevision),
          [versionId(keyspaceUid, version)],
          revision,
        ),
      );
    }
    case 'view-applied': {
      const { keyspaces, revision } = event.view;
      const refs = keyspaces.flatMap(({ uid, versions }) =>
        versions.map((number) => versionId(uid, number)),
      );
      const before = state.applied.get(nodeId);
      const isLate = before?.incarnation === incarnation && before.revision > revision;
      const applied = isLate
        ? state.applied
        : new Map(state.applied).set(nodeId, { incarnation, revision });
      const changeCounter = state.changeCounter + (state.world.late.has(nodeId) ? 1 : 0);
      return withHoldings({ ...state, applied, changeCounter }, nodeId, (known) =>
        withManifests(known, refs),
      );
    }
    case 'dropped': {
      const { refs, segments } = event;
      const droppedByNode = new Set([...(state.droppedByNode.get(nodeId) ?? []), ...refs]);
      const next = {
        ...state,
        droppedByNode: new Map(state.droppedByNode).set(nodeId, droppedByNode),
        changeCounter: state.changeCounter + 1,
      };
      return withHoldings(next, nodeId, (before) =>
        withoutManifests(segments.length === 0 ? before : withoutSegments(before, segments), refs),
      );
    }
  }
}

function onListed(
  { facts: { datasets } }: ControlState,
  before: NodeHoldings,
  { list, since }: Extract<ControlEvent, { readonly kind: 'listed' }>,
): NodeHoldings {
  return applyHoldings(before, list, since, (uid, segmentId) =>
    manifestName(datasets, uid, segmentId),
  );
}

function onCatalog(
  state: ControlState,
  catalog: CatalogState,
  nowMs: number,
  { replication }: ControlSettings,
): ControlState {
  // Numbers are skipped when the catalog turns out to be an older copy.
  const isOlderCopy = countersOf(catalog).skips > countersOf(state.catalog).skips;
  const unknownNodesUntilMs = isOlderCopy ? unknownNodesUntil(nowMs) : state.unknownNodesUntilMs;
  const facts = catalogFacts(catalog, replication, state.facts);
  return { ...state, catalog, facts, unknownNodesUntilMs };
}

function withHoldings(
  state: ControlState,
  nodeId: string,
  change: (before: NodeHoldings) => NodeHoldings,
): ControlState {
  const before = state.holdings.get(nodeId);
  if (before === undefined) return state;
  const after = change(before);
  if (after === before) return state;
  return {
    ...state,
    holdings: new Map(state.holdings).set(nodeId, after),
    changeCounter: state.changeCounter + 1,
  };
}

function onKnown(
  state: ControlState,
  record: Omit<NodeRecord, 'drain'>,
  nowMs: number,
  { membership }: ControlSettings,
): ControlState {
  const before = state.nodes.get(record.id);
  const { address, id, weight = 1, zone } = record;
  const after =
    before === undefined
      ? knownNode(record, nowMs, membership)
      : { ...before, address, zone, weight };
  return {
    ...state,
    nodes: new Map(state.nodes).set(id, after),
    changeCounter: state.changeCounter + 1,
  };
}

function onRemoved(state: ControlState, nodeId: string): ControlState {
  const nodes = new Map(state.nodes);
  const holdings = new Map(state.holdings);
  nodes.delete(nodeId);
  holdings.delete(nodeId);
  return { ...withoutRun(state, nodeId), nodes, holdings, changeCounter: state.changeCounter + 1 };
}

/** Drops what was known of, and ordered to, the last incarnation of a node. */
function withoutRun(state: ControlState, nodeId: string): ControlState {
  const applied = new Map(state.applied);
  const droppedByNode = new Map(state.droppedByNode);
  applied.delete(nodeId);
  droppedByNode.delete(nodeId);
  return { ...state, applied, droppedByNode, inFlight: forgetTarget(state.inFlight, nodeId) };
}

function onAnswered(
  state: ControlState,
  nodeId: string,
  report: HeartbeatResponse,
  nowMs: number,
): ControlState {
  const before = state.nodes.get(nodeId);
  if (before === undefined) return state;
  const after = answered(before, report, nowMs);
  let next = withNode(state, before, after);
  if (next.holdings.get(nodeId)?.incarnation !== after.incarnation) {
    const holdings = new Map(next.holdings).set(nodeId, noHoldings(after.incarnation));
    next = { ...withoutRun(next, nodeId), holdings };
  }
  let { inFlight } = next;
  for (const { keyspaceUid, reason, segmentId } of report.copyFailures) {
    inFlight = copyFailed(inFlight, copyKey(nodeId, keyspaceUid, segmentId), nowMs, reason);
  }
  return inFlight === next.inFlight ? next : { ...next, inFlight };
}

function onMissed(
  state: ControlState,
  nodeId: string,
  nowMs: number,
  { membership }: ControlSettings,
): ControlState {
  const before = state.nodes.get(nodeId);
  return before === undefined ? state : withNode(state, before, missed(before, nowMs, membership));
}

function onReads(
  state: ControlState,
  nodeId: string,
  failing: boolean,
  reason?: string,
): ControlState {
  const before = state.nodes.get(nodeId);
  return before === undefined
    ? state
    : withNode(state, before, readsTried(before, failing, reason));
}

function withNode(state: ControlState, before: NodeStatus, after: NodeStatus): ControlState {
  const isOther =
    before.liveness !== after.liveness ||
    before.incarnation !== after.incarnation ||
    before.readsFail !== after.readsFail;
  return {
    ...state,
    nodes: withEntry(state.nodes, after.id, after),
    changeCounter: state.changeCounter + (isOther ? 1 : 0),
  };
}

function onRefused(state: ControlState, copies: readonly Copy[], nowMs: number): ControlState {
  let { inFlight } = state;
  for (const { segment, target, uid } of copies) {
    const key = copyKey(target, uid, segment.id);
    inFlight = copyFailed(inFlight, key, nowMs, 'the order was not taken');
  }
  return { ...state, inFlight };
}
