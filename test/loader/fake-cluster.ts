// A master that speaks LoadService over real gRPC, and datanodes that take segments over real HTTP,
// keep what they are sent in memory, and verify it. They refuse and break on command.

import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { sendUnaryData, StatusObject } from '@grpc/grpc-js';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { SteleError } from '../../base/errors.ts';
import { targetOf } from '../../transport/fetch-target.ts';
import type { Arrival } from '../../datanode/transfer/arrival.ts';
import { segmentUpgrade } from '../../datanode/transfer/segment-connection.ts';
import { acceptUpgrades } from '../../transport/upgrades.ts';
import { LoadMode, LoadServiceService } from '../../proto/gen/stele/v1/load.ts';
import type {
  BeginLoadRequest,
  BeginLoadResponse,
  CommitLoadRequest,
  CommitLoadResponse,
  LoadServiceServer,
  LoadTargets,
} from '../../proto/gen/stele/v1/load.ts';
import { NodeState } from '../../proto/gen/stele/v1/view.ts';
import { SERVER_OPTIONS } from '../../transport/grpc-channel.ts';
import { toGrpcError } from '../../transport/grpc-errors.ts';
import type { SegmentAnnouncement } from '../../proto/segment-transfer.ts';
import {
  forEachRecord,
  keyStart,
  openSegment,
  valueEnd,
  valueStart,
} from '../../segment/reader.ts';
import { verifySegment } from '../../segment/verify.ts';

const UID = '00112233aabbccdd';

export class FakeDatanode {
  readonly id: string;
  port = 0;
  incarnation = 'run-1';
  readonly segments = new Map<string, Buffer>();
  /** Segments whose bytes were transferred. */
  received = 0;
  /** Called and awaited before each segment is acknowledged; an error refuses the segment. */
  beforeStored: () => void | Promise<void> = () => undefined;
  readonly #server = createServer();
  #stopExchange = (): void => undefined;

  constructor(id: string) {
    this.id = id;
  }

  async start(): Promise<void> {
    const segments = segmentUpgrade({
      admit: (announced) => Promise.resolve(this.#admit(announced)),
      pull: () => Promise.reject(new Error('nothing is pulled here')),
      pace: () => 0,
      give: () => Promise.reject(new Error('nothing is fetched here')),
    });
    this.#stopExchange = acceptUpgrades(this.#server, [segments]);
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.port = (this.#server.address() as AddressInfo).port;
  }

  stop(): void {
    this.#server.close();
    this.#stopExchange();
  }

  #admit(announced: SegmentAnnouncement): Arrival | undefined {
    const { byteLength, expectIncarnation, expectNode, segmentId } = announced;
    if (expectNode !== this.id || expectIncarnation !== this.incarnation) {
      throw new SteleError('WRONG_NODE', `This is ${this.id}.`);
    }
    if (this.segments.has(segmentId)) return undefined;
    const bytes = Buffer.alloc(byteLength);
    const store = (): Promise<void> => this.#store(segmentId, bytes);
    return Object.assign(targetOf(bytes), { finish: store, abandon: () => undefined });
  }

  async #store(id: string, bytes: Buffer): Promise<void> {
    const segment = openSegment(bytes);
    verifySegment(segment);
    await this.beforeStored();
    this.segments.set(id, bytes);
    this.received++;
  }
}

export class FakeMaster {
  readonly nodes: FakeDatanode[];
  replication = 2;
  /** Those of `nodes` that serve reads. */
  readNodes: number[] = [];
  clusterId = 'cluster-1';
  shardCount = 8;
  address = '';
  version = 0;
  currentFingerprint = '';
  readonly begun: BeginLoadRequest[] = [];
  readonly aborted: string[] = [];
  /** Given up for now, to be resumed. */
  readonly interrupted: string[] = [];
  committed: CommitLoadRequest | undefined;
  /** Not empty: loaders learn from their next report that they are cancelled. */
  cancelReason = '';
  /** Each is the answer to one BeginLoad, as gRPC itself or toGrpcError returns it. */
  readonly beginFailures: Partial<StatusObject>[] = [];
  /** Runs at the start of each commit; may throw. */
  beforeCommit: () => void = () => undefined;
  /** Runs at the end of each commit; if it throws, the commit's answer is lost. */
  afterCommit: () => void = () => undefined;
  readonly #open = new Map<string, BeginLoadRequest>();
  #currentLoadId = '';
  #loads = 0;
  #server = new Server(SERVER_OPTIONS);

  constructor(nodes: FakeDatanode[]) {
    this.nodes = nodes;
  }

  async start(): Promise<void> {
    const { abortLoad, beginLoad, commitLoad, reportProgress } = this;
    this.#server.addService(LoadServiceService, {
      abortLoad,
      beginLoad,
      commitLoad,
      reportProgress,
    });
    this.address = `127.0.0.1:${await listen(this.#server)}`;
  }

  stop(): void {
    this.#server.forceShutdown();
  }

  /** Ends every lease. */
  forgetLoads(): void {
    this.#open.clear();
  }

  beginLoad: LoadServiceServer['beginLoad'] = ({ request }, callback) => {
    const failure = this.beginFailures.shift();
    if (failure !== undefined) {
      callback(failure);
      return;
    }
    answer(callback, (): BeginLoadResponse => {
      this.begun.push(request);
      const isCommitted = request.loadId !== '' && request.loadId === this.#currentLoadId;
      const isSame = request.skipIfCurrent && request.inputFingerprint === this.currentFingerprint;
      const alreadyCurrent = isCommitted || isSame;
      if (request.loadId !== '' && !isCommitted && !this.#open.has(request.loadId)) {
        throw new SteleError('LOAD_NOT_FOUND', 'No such load.');
      }
      const loadId = request.loadId === '' ? `load-${++this.#loads}` : request.loadId;
      this.#open.set(loadId, request);
      return {
        loadId,
        keyspaceUid: UID,
        shardCount: this.shardCount,
        replication: this.replication,
        clusterId: this.clusterId,
        targets: this.#targets(),
        alreadyCurrent,
        currentVersion: this.version,
        segmentFormat: 1,
        progressIntervalMs: 100,
      };
    });
  };

  reportProgress: LoadServiceServer['reportProgress'] = ({ request }, callback) => {
    answer(callback, () => {
      if (!this.#open.has(request.loadId)) throw new SteleError('LOAD_NOT_FOUND', 'No such load.');
      const reason = this.cancelReason;
      return { cancelled: reason !== '', reason, targets: this.#targets() };
    });
  };

  commitLoad: LoadServiceServer['commitLoad'] = ({ request }, callback) => {
    answer(callback, (): CommitLoadResponse => {
      const begun = this.#open.get(request.loadId);
      if (begun === undefined) throw new SteleError('LOAD_NOT_FOUND', 'No such load.');
      this.beforeCommit();
      for (const { nodeIds, segment } of request.shards) {
        const holders = this.nodes.filter(
          (node) => nodeIds.includes(node.id) && node.segments.has(segment!.id),
        );
        if (holders.length < (request.minReplicas || this.replication)) {
          throw new SteleError('REPLICAS_MISSING', `Shard ${segment!.shard} is short of replicas.`);
        }
      }
      this.#open.delete(request.loadId);
      this.committed = request;
      this.#currentLoadId = request.loadId;
      this.currentFingerprint = request.inputFingerprint ?? '';
      this.version++;
      const { digest, records } = request;
      const isAppend = begun.mode === LoadMode.APPEND;
      // Half of the rows count as new.
      const counts = { added: records / 2, replaced: records / 2, unchanged: 0 };
      const append = isAppend ? { baseVersion: this.version - 1, ...counts } : undefined;
      this.afterCommit();
      return { version: this.version, records, digest, append };
    });
  };

  abortLoad: LoadServiceServer['abortLoad'] = ({ request }, callback) => {
    answer(callback, () => {
      if (!request.resumable) this.#open.delete(request.loadId);
      (request.resumable ? this.interrupted : this.aborted).push(request.loadId);
      return {};
    });
  };

  /** All pairs of the committed version. */
  pairs(): Map<string, string> {
    const pairs = new Map<string, string>();
    for (const { nodeIds, segment } of this.committed?.shards ?? []) {
      const node = this.nodes.find(({ id }) => id === nodeIds[0])!;
      const open = openSegment(node.segments.get(segment!.id)!);
      const { bytes } = open;
      forEachRecord(open, (offset) => {
        const value = valueStart(open, offset);
        const key = bytes.toString('latin1', keyStart(open, offset), value);
        pairs.set(key, bytes.toString('latin1', value, valueEnd(open, offset)));
      });
    }
    return pairs;
  }

  #targets(): LoadTargets {
    const { nodes } = this;
    return {
      nodes: nodes.map((node) => ({
        id: node.id,
        incarnation: node.incarnation,
        address: { host: '127.0.0.1', httpPort: node.port, respPort: 0, grpcPort: 0 },
        zone: '',
        state: NodeState.SERVING,
      })),
      readNodes: this.readNodes,
      owners: Array.from({ length: this.shardCount }, (_, shard) => ({
        nodes:
          nodes.length === 0
            ? []
            : ownersOf(shard, Math.min(this.replication, nodes.length), nodes.length),
      })),
    };
  }
}

function ownersOf(shard: number, count: number, nodeCount: number): number[] {
  return Array.from({ length: count }, (_, place) => (shard + place) % nodeCount);
}

function answer<Response>(callback: sendUnaryData<Response>, run: () => Response): void {
  try {
    callback(null, run());
  } catch (thrown) {
    callback(toGrpcError(thrown));
  }
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) resolve(port);
      else reject(error);
    });
  });
}

/** Started now and stopped after the test. */
export async function startFakeCluster(nodeCount = 3): Promise<FakeMaster> {
  const nodes = Array.from({ length: nodeCount }, (_, index) => new FakeDatanode(`node-${index}`));
  const master = new FakeMaster(nodes);
  await Promise.all([master.start(), ...nodes.map((node) => node.start())]);
  onTestFinished(() => {
    master.stop();
    for (const node of nodes) node.stop();
  });
  return master;
}
