// The datanodes from the master's point of view: links and heartbeats. Their reports become events
// of the control plane (core/control-events.ts); its state holds what is known of them.
//
// Invariant: a node is monitored until it is removed, however long it is silent.

import type { BackgroundTasks } from '../../base/background.ts';
import type { SteleError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { shardNamedBy } from '../../base/segment-name.ts';
import type { HeartbeatResponse } from '../../proto/gen/stele/v1/datanode.ts';
import { HealthStatus } from '../../proto/gen/stele/v1/view.ts';
import type { LinkFactory } from '../../proto/ports.ts';
import type { NodeRecord } from '../catalog/records.ts';
import type { NodeStatus } from '../core/world/membership.ts';
import type { ControlLoop } from './control-loop.ts';
import type { Leadership } from './leadership.ts';
import { ConnectionManager } from './nodes/connection-manager.ts';
import { Heartbeater } from './nodes/heartbeater.ts';
import { ReadProbes } from './nodes/read-probe.ts';

export interface RosterOptions {
  readonly control: ControlLoop;
  readonly leadership: Leadership;
  readonly links: LinkFactory;
  readonly heartbeatIntervalMs: number;
  readonly heartbeatDeadlineMs: number;
  readonly background: BackgroundTasks;
  readonly log: Logger;
}

export class Roster {
  readonly connections: ConnectionManager;
  readonly #control: ControlLoop;
  readonly #log: Logger;
  readonly #heartbeater: Heartbeater;
  readonly #probes: ReadProbes;

  constructor(options: RosterOptions) {
    const { control, leadership } = options;
    this.#control = control;
    this.#log = options.log;
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
      time: control.env,
      header: (nodeId) => ({ ...control.header(nodeId), incarnation: '' }),
      viewRevision: () => control.state.view.revision,
      // A silent node keeps the normal interval, or slow nodes would be declared down too early.
      isUrgent: (nodeId) => {
        const node = this.get(nodeId);
        return node?.liveness === 'INITIALIZING' && node.misses === 0;
      },
      isImpatient: () => this.#isReplicated(),
      checkLeader: (nodeId, response) => leadership.check(nodeId, response),
      onAnswer: (nodeId, response) => this.#onAnswer(nodeId, response),
      onMiss: (nodeId, error) => this.#onMiss(nodeId, error),
    });
  }

  get(nodeId: string): NodeStatus | undefined {
    return this.#control.state.nodes.get(nodeId);
  }

  /** Dials the node and starts its heartbeats; sends one at once if it is already monitored. */
  follow(record: Omit<NodeRecord, 'drain'>): void {
    this.#control.dispatch({ kind: 'known', record });
    this.connections.addDependency({ nodeId: record.id, address: record.address });
    this.#heartbeater.start(record.id);
  }

  unfollow(nodeId: string): void {
    this.#heartbeater.stop(nodeId);
    this.#probes.forget(nodeId);
    this.connections.remove(nodeId);
    this.#control.dispatch({ kind: 'removed', nodeId });
  }

  /** Reports that a read of the node failed or is overdue. */
  reportTrouble(nodeId: string): void {
    this.#probes.reportTrouble(nodeId);
    this.#heartbeater.reportTrouble(nodeId);
  }

  close(): void {
    this.#heartbeater.close();
    this.connections.close();
  }

  /** Whether every shard has all its copies, so that another node can take the place of any one. */
  #isReplicated(): boolean {
    const { replicationEffective, status } = this.#control.state.health;
    return status === HealthStatus.GREEN && replicationEffective > 1;
  }

  #onAnswer(nodeId: string, report: HeartbeatResponse): void {
    const before = this.get(nodeId);
    for (const { keyspaceUid, reason, segmentId } of report.copyFailures) {
      const about = { keyspace: keyspaceUid, shard: shardNamedBy(segmentId), segment: segmentId };
      this.#log.warn({ node: nodeId, ...about, reason }, 'a copy failed');
    }
    this.#control.dispatch({ kind: 'answered', nodeId, report });
    this.#tellChange(before);
    this.#probes.onBeat(nodeId);
  }

  #onReads(nodeId: string, failing: boolean, reason: string): void {
    this.#control.dispatch({ kind: 'reads', nodeId, failing, reason });
    if (failing) {
      this.#log.warn({ node: nodeId, reason }, 'a datanode answers heartbeats, but no reads');
    } else {
      this.#log.info({ node: nodeId }, 'a datanode answers reads again');
    }
  }

  #onMiss(nodeId: string, error: SteleError): void {
    const before = this.get(nodeId);
    this.#control.dispatch({ kind: 'missed', nodeId });
    // A refusal is not silence: a person has to look at it.
    const level = error.code === 'STALE_EPOCH' || error.code === 'WRONG_NODE' ? 'warn' : 'debug';
    const misses = this.get(nodeId)?.misses;
    this.#log[level]({ node: nodeId, misses, err: error }, 'no heartbeat');
    this.#tellChange(before);
  }

  #tellChange(before: NodeStatus | undefined): void {
    const after = before && this.get(before.id);
    if (after === undefined || before?.liveness === after.liveness) return;
    // Right after a master's start, a node that has never answered may just be starting, too.
    const isLost = after.liveness === 'DOWN' && after.report !== undefined;
    const level = isLost ? 'warn' : 'info';
    this.#log[level](
      { node: after.id, state: after.liveness, was: before?.liveness },
      'a datanode changed its state',
    );
  }
}
