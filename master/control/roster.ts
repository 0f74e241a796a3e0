// The datanodes as this master reaches them: links and heartbeats. What they say becomes events of the
// control plane (core/control-events.ts); what is known of them is in its state.
//
// Invariant: a node is followed until it is removed, however long it is silent.

import type { BackgroundTasks } from '../../base/background.ts';
import type { SteleError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { HeartbeatResponse, OrderHeader } from '../../proto/gen/stele/v1/datanode.ts';
import type { LinkFactory } from '../../proto/ports.ts';
import type { NodeRecord } from '../catalog/records.ts';
import type { ControlEvent } from '../core/control-events.ts';
import type { NodeStatus } from '../core/membership.ts';
import { ConnectionManager } from './nodes/connection-manager.ts';
import { Heartbeater } from './nodes/heartbeater.ts';
import { ReadProbes } from './nodes/read-probe.ts';

export interface RosterOptions {
  readonly links: LinkFactory;
  readonly heartbeatIntervalMs: number;
  readonly heartbeatDeadlineMs: number;
  readonly background: BackgroundTasks;
  readonly log: Logger;
}

/** What the roster needs of the leader; all of it is quick and synchronous. */
export interface RosterSide {
  node(nodeId: string): NodeStatus | undefined;
  dispatch(event: ControlEvent): void;
  /** Every shard has all its copies, and so somebody else than any one node. */
  allReplicated(): boolean;
  /** After each answered heartbeat. */
  onHeard(nodeId: string): void;
  header(nodeId: string): OrderHeader;
  /** Of the present view. */
  viewRevision(): number;
  /** HeartbeaterOptions.checkLeader */
  checkLeader(nodeId: string, response: HeartbeatResponse): void;
}

export class Roster {
  readonly connections: ConnectionManager;
  readonly #log: Logger;
  readonly #side: RosterSide;
  readonly #heartbeater: Heartbeater;
  readonly #probes: ReadProbes;

  constructor(options: RosterOptions, side: RosterSide) {
    this.#log = options.log;
    this.#side = side;
    this.connections = new ConnectionManager(options.links, (nodeId) =>
      this.#heartbeater.connectionLost(nodeId),
    );
    this.#probes = new ReadProbes({
      deadlineMs: options.heartbeatDeadlineMs,
      connections: this.connections,
      background: options.background,
      onChange: (nodeId, failing, reason) => this.#onReads(nodeId, failing, reason),
    });
    this.#heartbeater = new Heartbeater({
      intervalMs: options.heartbeatIntervalMs,
      deadlineMs: options.heartbeatDeadlineMs,
      connections: this.connections,
      background: options.background,
      header: (nodeId) => ({ ...side.header(nodeId), incarnation: '' }),
      viewRevision: () => side.viewRevision(),
      // Silence goes at the ordinary pace, or slow nodes would be counted out early.
      isUrgent: (nodeId) => {
        const node = side.node(nodeId);
        return node?.liveness === 'INITIALIZING' && node.misses === 0;
      },
      isImpatient: () => side.allReplicated(),
      checkLeader: (nodeId, response) => side.checkLeader(nodeId, response),
      onAnswer: (nodeId, response) => this.#onAnswer(nodeId, response),
      onMiss: (nodeId, error) => this.#onMiss(nodeId, error),
    });
  }

  get(nodeId: string): NodeStatus | undefined {
    return this.#side.node(nodeId);
  }

  /** Dials the node and listens for its heartbeat; at once, when it is already followed. */
  follow(record: Omit<NodeRecord, 'drain'>): void {
    this.#side.dispatch({ kind: 'known', record });
    this.connections.addDependency({ nodeId: record.id, address: record.address });
    this.#heartbeater.start(record.id);
  }

  unfollow(nodeId: string): void {
    this.#heartbeater.stop(nodeId);
    this.#probes.forget(nodeId);
    this.connections.remove(nodeId);
    this.#side.dispatch({ kind: 'removed', nodeId });
  }

  /** A read of the node failed or is overdue. */
  doubt(nodeId: string): void {
    this.#probes.doubt(nodeId);
    this.#heartbeater.doubt(nodeId);
  }

  close(): void {
    this.#heartbeater.close();
    this.connections.close();
  }

  #onAnswer(nodeId: string, report: HeartbeatResponse): void {
    const before = this.#side.node(nodeId);
    for (const { reason, segmentId } of report.copyFailures) {
      this.#log.warn({ node: nodeId, segment: segmentId, reason }, 'a copy failed');
    }
    this.#side.dispatch({ kind: 'answered', nodeId, report });
    this.#tellChange(before);
    this.#side.onHeard(nodeId);
    this.#probes.onBeat(nodeId);
  }

  #onReads(nodeId: string, failing: boolean, reason: string): void {
    this.#side.dispatch({ kind: 'reads', nodeId, failing, reason });
    if (failing) {
      this.#log.warn({ node: nodeId, reason }, 'a datanode answers heartbeats, but no reads');
    } else {
      this.#log.info({ node: nodeId }, 'a datanode answers reads again');
    }
  }

  #onMiss(nodeId: string, error: SteleError): void {
    const before = this.#side.node(nodeId);
    this.#side.dispatch({ kind: 'missed', nodeId });
    // Refused is not silent: somebody has to look at it.
    const level = error.code === 'STALE_EPOCH' || error.code === 'WRONG_NODE' ? 'warn' : 'debug';
    const misses = this.#side.node(nodeId)?.misses;
    this.#log[level]({ node: nodeId, misses, err: error }, 'no heartbeat');
    this.#tellChange(before);
  }

  #tellChange(before: NodeStatus | undefined): void {
    const after = before && this.#side.node(before.id);
    if (after === undefined || before?.liveness === after.liveness) return;
    // Right after a start of the master, one that has never answered may just be starting, too.
    const isLost = after.liveness === 'DOWN' && after.report !== undefined;
    const level = isLost ? 'warn' : 'info';
    this.#log[level](
      { node: after.id, state: after.liveness, was: before?.liveness },
      'a datanode changed its state',
    );
  }
}
