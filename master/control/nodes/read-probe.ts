// Whether datanodes that answer their heartbeats answer reads as well: a heartbeat goes over another
// connection and other code than a read. Now and then, and while there is any doubt with each heartbeat, a key of
// no keyspace is looked up over the link's stream of lookups; any answer to it is a good one.
//
// Invariants: at most one probe of a node is under way; each has a deadline; one probe alone changes
// nothing: it takes two in a row, either way.

import type { BackgroundTasks } from '../../../base/background.ts';
import { toSteleError } from '../../../base/errors.ts';
import { PROBE_TARGET } from '../../../proto/ports.ts';
import type { ConnectionManager } from './connection-manager.ts';

/** Heartbeats from one probe to the next while nothing is wrong. */
const BEATS_BETWEEN = 4;
const AGREEING_PROBES = 2;
const KEY = [Buffer.from('probe')];

export interface ReadProbesOptions {
  readonly deadlineMs: number;
  readonly connections: ConnectionManager;
  readonly background: BackgroundTasks;
  /** Called when it changes whether reads of a node fail. */
  readonly onChange: (nodeId: string, failing: boolean, reason: string) => void;
}

interface Probed {
  beats: number;
  running: boolean;
  failing: boolean;
  /** Probes in a row that said otherwise. */
  disagreeing: number;
}

export class ReadProbes {
  readonly #options: ReadProbesOptions;
  readonly #nodes = new Map<string, Probed>();

  constructor(options: ReadProbesOptions) {
    this.#options = options;
  }

  /** The node has answered a heartbeat. */
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

  /** A read of the node failed: it is probed with its next heartbeat. */
  doubt(nodeId: string): void {
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
      const { deadlineMs } = this.#options;
      await link?.lookups.lookup(PROBE_TARGET, KEY, () => undefined, { deadlineMs });
      // Offline says nothing about reads: heartbeats tell that.
      if (link === undefined) return;
    } catch (thrown) {
      const error = toSteleError(thrown);
      if (error.code === 'OVERLOADED' || !this.#options.connections.isOnline(nodeId)) return;
      reason = error.message;
    } finally {
      node.running = false;
    }
    this.#note(nodeId, node, reason);
  }

  /** `reason` empty: the probe was answered. */
  #note(nodeId: string, node: Probed, reason: string): void {
    const failed = reason !== '';
    node.disagreeing = failed === node.failing ? 0 : node.disagreeing + 1;
    if (node.disagreeing < AGREEING_PROBES || this.#nodes.get(nodeId) !== node) return;
    node.failing = failed;
    node.disagreeing = 0;
    this.#options.onChange(nodeId, failed, reason);
  }
}
