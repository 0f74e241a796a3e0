// A cluster of datanodes in memory, with the same ports as real ones: Maps for data, and switches
// for what can go wrong (offline, rejecting, silent, slow, without a shard).

import { SteleError } from '../../../base/errors.ts';
import { HealthStatus, NodeState } from '../../../proto/gen/stele/v1/view.ts';
import type { ClusterView } from '../../../proto/gen/stele/v1/view.ts';
import { LookupStatus } from '../../../proto/gen/stele/v1/lookup.ts';
import type { ScanKeysRequest } from '../../../proto/gen/stele/v1/datanode.ts';
import type { DatanodeLink, LookupBatch, LookupChannel, LookupKey } from '../../../proto/ports.ts';
import { shardOfSlot } from '../../../ring/shard.ts';
import { slotOfKey } from '../../../ring/slot.ts';
import { FakeOperations } from './fake-operations.ts';
import { FakeScans, SHARD_COUNT } from './fake-scans.ts';

const SILENCE_MS = 2000;
export const UID = '00000000000000aa';

export class FakeNode implements LookupChannel {
  readonly id: string;
  readonly cluster: FakeCluster;
  online = true;
  rejecting = false;
  silent = false;
  delayMs = 0;
  missingShards = new Set<number>();
  calls = 0;
  keysAsked = 0;
  /** The keys of each call. */
  readonly batches: Uint8Array[][] = [];

  constructor(id: string, cluster: FakeCluster) {
    this.id = id;
    this.cluster = cluster;
  }

  /** Where it is silent, for as long as a link keeps a peer that says nothing. */
  send(batch: LookupBatch): void {
    this.calls++;
    this.keysAsked += batch.keys.length;
    this.batches.push(batch.keys.map(({ key }) => key));
    if (this.rejecting) {
      const refused = new SteleError('UNAVAILABLE', `${this.id} refuses.`);
      return queueMicrotask(() => batch.onFailure(refused));
    }
    const answer = (): void => batch.keys.forEach((asked) => this.#answer(asked, batch));
    const given = new SteleError('UNAVAILABLE', `${this.id} has said nothing.`);
    if (this.silent) setTimeout(() => batch.onFailure(given), SILENCE_MS).unref();
    else if (this.delayMs > 0) setTimeout(answer, this.delayMs);
    else queueMicrotask(answer);
  }

  #answer({ key, target }: LookupKey, batch: LookupBatch): void {
    const bytes = Buffer.from(key);
    const data = this.cluster.versions.get(`${target.keyspaceUid}/${target.version}`);
    if (data === undefined || this.missingShards.has(this.cluster.shardOf(bytes))) {
      return batch.onAnswer(LookupStatus.UNAVAILABLE, bytes, 0, 0);
    }
    const value = data.get(bytes.toString('latin1'));
    if (value === undefined) return batch.onAnswer(LookupStatus.NOT_FOUND, bytes, 0, 0);
    // In the middle of a larger buffer, as from the network.
    const carrier = Buffer.concat([Buffer.from('<<'), value, Buffer.from('>>')]);
    batch.onAnswer(LookupStatus.OK, carrier, 2, 2 + value.length);
    carrier.fill(0x21);
  }

  close(): void {
    this.online = false;
  }
}

export class FakeCluster extends FakeOperations {
  readonly nodes = new Map<string, FakeNode>();
  readonly versions = new Map<string, Map<string, Buffer>>();
  #view: ClusterView;
  readonly #listeners = new Set<(view: ClusterView) => void>();

  constructor(nodeCount = 3, replication = 2) {
    super();
    for (let number = 0; number < nodeCount; number++) {
      const id = `datanode-${number}`;
      this.nodes.set(id, new FakeNode(id, this));
    }
    this.#view = {
      epoch: 1,
      revision: 1,
      shardCount: SHARD_COUNT,
      replication,
      nodes: [...this.nodes.keys()].map((id, number) => ({
        id,
        incarnation: `000000000000000${number}`,
        address: {
          host: '127.0.0.1',
          httpPort: 9001 + number,
          respPort: 7401 + number,
          grpcPort: 50061 + number,
        },
        zone: '',
        state: NodeState.SERVING,
      })),
      routes: Array.from({ length: SHARD_COUNT }, (_, shard) => ({
        nodes: Array.from({ length: replication }, (__, rank) => (shard + rank) % nodeCount),
      })),
      keyspaces: [
        {
          uid: UID,
          name: 'default',
          index: 0,
          currentVersion: 1,
          versions: [1],
          fingerprints: ['f1'],
          records: 0,
        },
      ],
      health: HealthStatus.GREEN,
      ready: true,
    };
    this.versions.set(`${UID}/1`, new Map());
  }

  readonly links = (nodeId: string): DatanodeLink | undefined => {
    const node = this.nodes.get(nodeId);
    if (node?.online !== true) return undefined;
    const scans = new FakeScans(node);
    return {
      lookups: node,
      scanKeys: (request: ScanKeysRequest) => scans.scanKeys(request),
    } as unknown as DatanodeLink;
  };

  node(number: number): FakeNode {
    return this.nodes.get(`datanode-${number}`)!;
  }

  put(key: string | Buffer, value: string | Buffer, version = 1): void {
    const name = `${UID}/${version}`;
    if (!this.versions.has(name)) this.versions.set(name, new Map());
    this.versions.get(name)!.set(Buffer.from(key).toString('latin1'), Buffer.from(value));
  }

  shardOf(key: string | Buffer): number {
    const bytes = Buffer.from(key);
    return shardOfSlot(slotOfKey(bytes, 0, bytes.length), SHARD_COUNT);
  }

  /** Node numbers that the view gives for a key, best first. */
  routeOf(key: string | Buffer): number[] {
    return this.#view.routes[this.shardOf(key)]!.nodes;
  }

  change(change: (view: ClusterView) => void): void {
    const view = structuredClone(this.#view);
    view.revision++;
    change(view);
    this.#view = view;
    for (const listener of this.#listeners) listener(view);
  }

  /**
   * A master has just started, and has not heard of these shards of `default` yet; absent: of
   * anything.
   */
  restart(shards?: readonly number[]): void {
    this.change((view) => {
      view.ready = false;
      const unserved = Buffer.alloc(Math.ceil(SHARD_COUNT / 8));
      const all = Array.from({ length: SHARD_COUNT }, (_, shard) => shard);
      for (const shard of shards ?? all) unserved[shard >>> 3]! |= 1 << (shard & 7);
      for (const keyspace of view.keyspaces) {
        if (shards === undefined || keyspace.name === 'default') keyspace.unserved = unserved;
      }
    });
  }

  becomeReady(): void {
    this.change((view) => {
      view.ready = true;
      for (const keyspace of view.keyspaces) delete keyspace.unserved;
    });
  }

  current(): ClusterView {
    return this.#view;
  }

  subscribe(listener: (view: ClusterView) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
