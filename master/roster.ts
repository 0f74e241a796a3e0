// The datanodes as this master knows them: statuses and holdings, fed by heartbeats and lists.
//
// Invariants: holdings belong to the incarnation that reported them; when another incarnation
// answers, everything known of the run before is forgotten (`onRunEnded`) before anything of the
// new one is taken; a node is followed until it is removed, however long it is silent.

import type { Clock } from '../base/clock.ts';
import type { BackgroundTasks } from '../base/background.ts';
import type { SteleError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type {
  CopyFailure,
  HeartbeatResponse,
  ListHoldingsResponse,
  OrderHeader,
} from '../proto/gen/stele/v1/datanode.ts';
import type { Manifest } from '../proto/gen/stele/v1/segment.ts';
import type { ClusterView } from '../proto/gen/stele/v1/view.ts';
import type { LinkFactory } from '../proto/ports.ts';
import { versionId } from './catalog/records.ts';
import type { NodeRecord } from './catalog/records.ts';
import {
  applyHoldings,
  confirmHeld,
  noHoldings,
  withManifests,
  withoutManifests,
} from './core/holdings.ts';
import type { Holdings, NodeHoldings } from './core/holdings.ts';
import { answered, knownNode, missed } from './core/membership.ts';
import type { Membership, MembershipLimits, NodeStatus } from './core/membership.ts';
import { revisionRef } from './core/world.ts';
import { ConnectionManager } from './nodes/connection-manager.ts';
import { Heartbeater } from './nodes/heartbeater.ts';

export interface RosterOptions {
  readonly links: LinkFactory;
  readonly heartbeatIntervalMs: number;
  readonly heartbeatDeadlineMs: number;
  readonly membership: MembershipLimits;
  readonly background: BackgroundTasks;
  readonly log: Logger;
  readonly clock: Clock;
}

/** What the leader is told; all of it is quick and synchronous. */
export interface RosterEvents {
  /** Who is there, or what they hold, is different now. */
  onChange(): void;
  /** After each answered heartbeat. */
  onHeard(nodeId: string): void;
  onRunEnded(nodeId: string): void;
  onCopyFailure(nodeId: string, failure: CopyFailure): void;
  header(nodeId: string): OrderHeader;
}

export class Roster {
  readonly connections: ConnectionManager;
  readonly #options: RosterOptions;
  readonly #events: RosterEvents;
  readonly #heartbeater: Heartbeater;
  readonly #nodes = new Map<string, NodeStatus>();
  readonly #holdings = new Map<string, NodeHoldings>();

  constructor(options: RosterOptions, events: RosterEvents) {
    this.#options = options;
    this.#events = events;
    this.connections = new ConnectionManager(options.links);
    this.#heartbeater = new Heartbeater({
      intervalMs: options.heartbeatIntervalMs,
      deadlineMs: options.heartbeatDeadlineMs,
      connections: this.connections,
      background: options.background,
      header: (nodeId) => ({ ...events.header(nodeId), incarnation: '' }),
      // Silence goes at the ordinary pace, or slow nodes would be counted out early.
      isUrgent: (nodeId) => {
        const node = this.#nodes.get(nodeId);
        return node?.liveness === 'INITIALIZING' && node.misses === 0;
      },
      onAnswer: (nodeId, response) => this.#onAnswer(nodeId, response),
      onMiss: (nodeId, error) => this.#onMiss(nodeId, error),
    });
  }

  /** Copies, safe to keep. */
  snapshot(): { readonly nodes: Membership; readonly holdings: Holdings } {
    return { nodes: new Map(this.#nodes), holdings: new Map(this.#holdings) };
  }

  get(nodeId: string): NodeStatus | undefined {
    return this.#nodes.get(nodeId);
  }

  /** Dials the node and listens for its heartbeat; at once, when it is already followed. */
  follow(record: Omit<NodeRecord, 'drain'>): void {
    const { id, address, zone } = record;
    const before = this.#nodes.get(id);
    const known = knownNode(record, this.#options.clock(), this.#options.membership);
    this.#nodes.set(id, before === undefined ? known : { ...before, address, zone });
    this.connections.addDependency({ nodeId: id, address });
    this.#heartbeater.start(id);
    this.#events.onChange();
  }

  unfollow(nodeId: string): void {
    this.#heartbeater.stop(nodeId);
    this.connections.remove(nodeId);
    this.#nodes.delete(nodeId);
    this.#holdings.delete(nodeId);
    this.#events.onRunEnded(nodeId);
    this.#events.onChange();
  }

  close(): void {
    this.#heartbeater.close();
    this.connections.close();
  }

  /** The revision that is known here, and the one that the last heartbeat told of. */
  holdingsRevisions(nodeId: string): { readonly known: number; readonly reported: number } {
    return {
      known: this.#holdings.get(nodeId)?.revision ?? 0,
      reported: this.#nodes.get(nodeId)?.report?.holdingsRevision ?? 0,
    };
  }

  onHoldings(nodeId: string, incarnation: string, list: ListHoldingsResponse): void {
    this.#update(nodeId, incarnation, (before) => applyHoldings(before, list));
  }

  /** A node took a version's manifest and confirmed these segments of it, ahead of its next list. */
  onManifestHeld(
    nodeId: string,
    incarnation: string,
    { keyspaceUid, revision, version }: Pick<Manifest, 'keyspaceUid' | 'version' | 'revision'>,
    ids: readonly string[],
  ): void {
    const ref = versionId(keyspaceUid, version);
    this.#update(nodeId, incarnation, (before) =>
      withManifests(confirmHeld(before, keyspaceUid, ids), [ref, revisionRef(ref, revision)]),
    );
  }

  /** Whether the node is known to have this revision of a version's manifest. */
  hasManifest(nodeId: string, ref: string, revision: number): boolean {
    const manifests = this.#holdings.get(nodeId)?.manifests;
    return manifests?.has(revisionRef(ref, revision)) === true;
  }

  /** The node has this view and the manifests of everything that it names. */
  onViewApplied(nodeId: string, incarnation: string, view: ClusterView): void {
    const refs = view.keyspaces.flatMap(({ uid, versions }) =>
      versions.map((number) => versionId(uid, number)),
    );
    this.#update(nodeId, incarnation, (before) => withManifests(before, refs));
  }

  onManifestsDropped(nodeId: string, incarnation: string, refs: readonly string[]): void {
    this.#update(nodeId, incarnation, (before) => withoutManifests(before, refs));
  }

  #update(
    nodeId: string,
    incarnation: string,
    change: (before: NodeHoldings) => NodeHoldings,
  ): void {
    const before = this.#holdings.get(nodeId);
    if (before?.incarnation !== incarnation) return;
    const after = change(before);
    if (after === before) return;
    this.#holdings.set(nodeId, after);
    this.#events.onChange();
  }

  #onAnswer(nodeId: string, report: HeartbeatResponse): void {
    const before = this.#nodes.get(nodeId);
    if (before === undefined) return;
    const after = answered(before, report, this.#options.clock());
    this.#nodes.set(nodeId, after);
    if (this.#holdings.get(nodeId)?.incarnation !== after.incarnation) {
      this.#holdings.set(nodeId, noHoldings(after.incarnation));
      this.#events.onRunEnded(nodeId);
    }
    for (const failure of report.copyFailures) this.#events.onCopyFailure(nodeId, failure);
    this.#tellChange(before, after);
    this.#events.onHeard(nodeId);
  }

  #onMiss(nodeId: string, error: SteleError): void {
    const before = this.#nodes.get(nodeId);
    if (before === undefined) return;
    const after = missed(before, this.#options.clock(), this.#options.membership);
    this.#nodes.set(nodeId, after);
    // Refused is not silent: somebody has to look at it.
    const level = error.code === 'STALE_EPOCH' || error.code === 'WRONG_NODE' ? 'warn' : 'debug';
    this.#options.log[level]({ node: nodeId, misses: after.misses, err: error }, 'no heartbeat');
    this.#tellChange(before, after);
  }

  #tellChange(before: NodeStatus, after: NodeStatus): void {
    if (before.liveness !== after.liveness) {
      const level = after.liveness === 'DOWN' ? 'warn' : 'info';
      this.#options.log[level](
        { node: after.id, state: after.liveness, was: before.liveness },
        'a datanode changed its state',
      );
    }
    if (before.liveness !== after.liveness || before.incarnation !== after.incarnation) {
      this.#events.onChange();
    }
  }
}
