// Checks whether datanodes that answer heartbeats answer reads as well: heartbeats use another
// connection and other code than reads. Now and then, and with every heartbeat while in doubt, a
// key of no keyspace is looked up over the link's lookup stream; any answer is a good one.
//
// Invariants: at most one probe per node is in progress; each has a deadline; a single probe
// changes nothing: it takes two in a row, either way.

import type { BackgroundTasks } from '../../../base/background.ts';
import { toSteleError } from '../../../base/errors.ts';
import { PROBE_TARGET } from '../../../proto/ports.ts';
import { lookupOne } from '../../../transport/lookup-one.ts';
import type { ConnectionManager } from './connection-manager.ts';

/** Heartbeats from one probe to the next in normal operation. */
const BEATS_BETWEEN = 4;
const AGREEING_PROBES = 2;
const KEY = Buffer.from('probe');

export interface ReadProbesOptions {
  readonly deadlineMs: number;
  readonly connections: ConnectionManager;
  readonly background: BackgroundTasks;
  /** Called when a node's reads begin or cease to fail. */
  readonly onChange: (nodeId: string, failing: boolean, reason: string) => void;
}

interface Probed {
  beats: number;
  running: boolean;
  failing: boolean;
  /** Consecutive probes with a different result. */
  disagreeing: number;
}

export class ReadProbes {
  readonly #options: ReadProbesOptions;
  readonly #nodes = new Map<string, Probed>();

  constructor(options: ReadProbesOptions) {
    this.#options = options;
  }

  /** Handles an answered heartbeat of the node. */
  onBeat(nodeId: string): void {
    const node = this.#nodes.get(nodeId) ?? {
      beats: 0,
      running: false,
      failing: false,
      disagreeing: 0,
    };
    this.#nodes.set(nodeId, node);
    const isDue = node.failing || node.disagreeing > 0 || node.beats % BEATS_BETWEEN === 0;
    node.beats++;
    if (!isDue || node.running) return;
    node.running = true;
    this.#options.background.run('read-probe', () => this.#probe(nodeId, node));
  }

  /** Reports a failed read of the node. It is probed with its next heartbeat. */
  reportTrouble(nodeId: string): void {
    const node = this.#nodes.get(nodeId);
    if (node !== undefined) node.beats = 0;
  }

  forget(nodeId: string): void {
    this.#nodes.delete(nodeId);
  }

  async #probe(nodeId: string, node: Probed): Promise<void> {
    let reason = '';
    try {
      const link = this.#options.connections.getClient(nodeId);
      // An offline node says nothing about reads; heartbeats report it.
      if (link === undefined) return;
      await lookupOne(link.lookups, PROBE_TARGET, KEY, this.#options.deadlineMs);
    } catch (thrown) {
      const error = toSteleError(thrown);
      if (error.code === 'OVERLOADED' || !this.#options.connections.isOnline(nodeId)) return;
      reason = error.message;
    } finally {
      node.running = false;
    }
    this.#note(nodeId, node, reason);
  }

  /** `reason` is empty if the probe was answered. */
  #note(nodeId: string, node: Probed, reason: string): void {
    const failed = reason !== '';
    node.disagreeing = failed === node.failing ? 0 : node.disagreeing + 1;
    if (node.disagreeing < AGREEING_PROBES || this.#nodes.get(nodeId) !== node) return;
    node.failing = failed;
    node.disagreeing = 0;
    this.#options.onChange(nodeId, failed, reason);
  }
}
