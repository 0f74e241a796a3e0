// Datanodes in memory for tests of the control plane: honest about what they hold, strict about
// epochs and incarnations, and killable. A `FakeNetwork` is the LinkFactory that reaches them.

import { SteleError, toSteleError } from '../../base/errors.ts';
import { newIncarnation } from '../../base/ids.ts';
import { segmentId as nameOfSegment } from '../../base/segment-name.ts';
import type { ReadCounters } from '../../proto/gen/stele/v1/counters.ts';
import { ArchiveState, MergeState } from '../../proto/gen/stele/v1/datanode.ts';
import type {
  TierMove,
  ArchiveStatus,
  HeldSegment,
  CopyOrder,
  DeltaMeasure,
  DiffShardsRequest,
  DiffShardsResponse,
  GetHotKeysResponse,
  HeartbeatResponse,
  MeasureDeltasRequest,
  MeasureRecordsResponse,
  MergeOrder,
  MergeStatus,
  OrderHeader,
  VersionRef,
} from '../../proto/gen/stele/v1/datanode.ts';
import { DiffKind } from '../../proto/gen/stele/v1/diff.ts';
import type { Manifest, RecordTotals, SegmentInfo } from '../../proto/gen/stele/v1/segment.ts';
import { LookupStatus } from '../../proto/gen/stele/v1/lookup.ts';
import { NodeState } from '../../proto/gen/stele/v1/view.ts';
import type { ClusterView } from '../../proto/gen/stele/v1/view.ts';
import type { DatanodeLink, LinkFactory, LinkTarget } from '../../proto/ports.ts';
import { channelOf } from '../support/peers/lookups.ts';

export class FakeDatanode {
  readonly id: string;
  readonly port: number;
  incarnation: string = newIncarnation();
  state: NodeState = NodeState.SERVING;
  alive = true;
  /**
   * `uid id` of the verified segments, with the revision of their last claim; survives a restart.
   */
  readonly segments = new Map<string, number>();
  readonly manifests = new Map<string, Manifest>();
  view: ClusterView | undefined;
  epochMax = 0;
  /** The term of the start that it obeys in this epoch. */
  term = '';
  copiesDone = 0;
  copyFails = false;
  /** Answers UNAVAILABLE to every read. */
  blind = false;
  /** Takes no view. */
  deaf = false;
  /** Reports other digests than those of the segments. */
  lies = false;
  diffFails = false;
  /** Its answer to a question for its counters. */
  reads: ReadCounters | undefined;
  /** Its measure of any records; undefined: it fails. */
  measured: MeasureRecordsResponse | undefined = {
    keyBytes: [],
    valueBytes: [],
    records: 0,
    indexBytes: 0,
  };
  /** Its answer about hot keys; undefined: it fails. */
  hotKeys: GetHotKeysResponse | undefined = { readsPerSecond: 0, hottest: [], largest: [] };
  /** Counts one key more as added than the others do. */
  miscounts = false;
  /** Its answer to merge orders; DONE: it merges at once. */
  merging: MergeState = MergeState.DONE;
  mergesDone = 0;
  /** Segments that were ordered to be archived; why none can be, unless empty. */
  readonly archived = new Set<string>();
  archiveFails = '';
  /** Copies that came from an object store. */
  fromStore = 0;
  /** Uids of keyspaces whose segments are on disk only. */
  readonly parked = new Set<string>();
  /** What it says that it has still to move. */
  tierMoves: TierMove[] = [];
  /** Its memory has no space for anything that is parked. */
  memoryFull = false;
  /** Shards that it has compared. */
  diffed: number[] = [];
  ordersSeen: OrderHeader[] = [];
  #revision = 0;
  readonly #resumeFailed = new Set<string>();
  #failures: { keyspaceUid: string; segmentId: string; reason: string }[] = [];

  constructor(id: string, port: number) {
    this.id = id;
    this.port = port;
  }

  get address() {
    return {
      host: `host-${this.id}`,
      httpPort: this.port,
      respPort: this.port,
      grpcPort: this.port,
    };
  }

  /** Starts a new process on the same disk. */
  restart(): void {
    this.incarnation = newIncarnation();
    this.manifests.clear();
    this.view = undefined;
    this.alive = true;
    this.#revision = this.segments.size === 0 ? 0 : 1;
    for (const key of this.segments.keys()) this.segments.set(key, this.#revision);
  }

  store(uid: string, segmentId: string): void {
    this.#revision += 1;
    this.segments.set(`${uid} ${segmentId}`, this.#revision);
  }

  /** As if a loader had received "here already" for the segment. */
  claim(uid: string, segmentId: string): boolean {
    const isHere = this.segments.has(`${uid} ${segmentId}`);
    if (isHere) this.store(uid, segmentId);
    return isHere;
  }

  /** Whether it was there and has not been claimed since. */
  drop(uid: string, segmentId: string, asOfRevision: number): boolean {
    const claimed = this.segments.get(`${uid} ${segmentId}`);
    const isMeant = claimed !== undefined && (asOfRevision === 0 || claimed <= asOfRevision);
    if (isMeant) this.lose(uid, segmentId);
    return isMeant;
  }

  lose(uid: string, segmentId: string): void {
    this.segments.delete(`${uid} ${segmentId}`);
    this.#revision += 1;
  }

  heartbeat(): HeartbeatResponse {
    const copyFailures = this.#failures;
    this.#failures = [];
    return {
      nodeId: this.id,
      incarnation: this.incarnation,
      state: this.state,
      verifyBytesDone: 0,
      verifyBytesTotal: 0,
      holdingsRevision: this.#revision,
      viewEpoch: this.view?.epoch ?? 0,
      viewRevision: this.view?.revision ?? 0,
      stats: undefined,
      address: this.address,
      zone: '',
      copyFailures,
      tierMoves: this.tierMoves,
      epoch: this.epochMax,
      term: this.term,
      parked: {
        keyspaceUids: [...this.parked],
        failures: [...this.#resumeFailed].map((keyspaceUid) => ({
          keyspaceUid,
          reason: 'no memory',
        })),
      },
    };
  }

  checkOrder(header: OrderHeader | undefined): void {
    if (!this.alive) throw new SteleError('UNAVAILABLE', `${this.id} is dead`);
    if (header === undefined || header.nodeId !== this.id) {
      throw new SteleError('WRONG_NODE', 'another node');
    }
    if (header.incarnation !== '' && header.incarnation !== this.incarnation) {
      throw new SteleError('WRONG_NODE', 'another incarnation');
    }
    if (header.epoch < this.epochMax) throw new SteleError('STALE_EPOCH', 'an old epoch');
    const { term = this.term } = header;
    if (header.epoch === this.epochMax && this.term !== '' && term !== this.term) {
      throw new SteleError('STALE_EPOCH', 'the epoch of another start');
    }
    this.epochMax = header.epoch;
    this.term = term;
    this.ordersSeen.push(header);
  }

  /** Answers a master that it does not obey, and names the one it obeys. */
  checkQuestion(header: OrderHeader | undefined): void {
    try {
      this.checkOrder(header);
    } catch (thrown) {
      if (toSteleError(thrown).code !== 'STALE_EPOCH') throw thrown;
    }
  }

  holdings() {
    return {
      revision: this.#revision,
      full: true,
      added: [...this.segments.keys()].map((text) => {
        const [keyspaceUid = '', segmentId = ''] = text.split(' ');
        return { keyspaceUid, segmentId };
      }),
      removed: [],
    };
  }

  applyView(view: ClusterView): VersionRef[] {
    if (this.deaf) throw new SteleError('DEADLINE_EXCEEDED', `${this.id} does not listen`);
    this.view = view;
    for (const { resuming, suspended, uid } of view.keyspaces) {
      this.#resumeFailed.delete(uid);
      if (suspended === true && resuming !== true) this.parked.add(uid);
      else if (this.memoryFull && this.parked.has(uid)) this.#resumeFailed.add(uid);
      else this.parked.delete(uid);
    }
    return view.keyspaces.flatMap(({ uid, versions }) =>
      versions
        .filter((version) => !this.manifests.has(`${uid}/${version}`))
        .map((version) => ({ keyspaceUid: uid, version })),
    );
  }

  putManifest(manifest: Manifest): SegmentInfo[] {
    const ref = `${manifest.keyspaceUid}/${manifest.version}`;
    const before = this.manifests.get(ref);
    const isSame = before === undefined || JSON.stringify(before) === JSON.stringify(manifest);
    // The same records in other segments, as after a merge of deltas.
    const isMerged = (before?.revision ?? 0) < manifest.revision;
    if (!isSame && (!isMerged || !manifest.digest.equals(before.digest))) {
      throw new SteleError('CONFLICT', `two contents for version ${ref}`);
    }
    this.manifests.set(ref, manifest);
    const held = manifest.segments.filter(({ id }) => this.claim(manifest.keyspaceUid, id));
    return this.lies ? held.map((info) => ({ ...info, digest: Buffer.alloc(16, 0xee) })) : held;
  }

  /** As if every key of a delta were new; a made-up segment is named by its records. */
  measure({ deltas, keyspaceUid }: MeasureDeltasRequest): DeltaMeasure[] {
    return deltas.map(({ olderIds, segmentId }) => {
      const held = [segmentId, ...olderIds].every((id) =>
        this.segments.has(`${keyspaceUid} ${id}`),
      );
      const added = this.miscounts ? 8 : 7;
      return { segmentId, held, added, replaced: 0, unchanged: 0, overwritten: undefined };
    });
  }

  archive({ keyspaceUid, segmentId }: HeldSegment): ArchiveStatus {
    const name = `${keyspaceUid} ${segmentId}`;
    if (this.archiveFails !== '') return { state: ArchiveState.FAILED, reason: this.archiveFails };
    if (!this.segments.has(name)) return { state: ArchiveState.FAILED, reason: 'not held here' };
    // The first answer is never the last one.
    const isKnown = this.archived.has(name);
    this.archived.add(name);
    return { state: isKnown ? ArchiveState.DONE : ArchiveState.WAITING, reason: '' };
  }

  merge(order: MergeOrder): MergeStatus {
    const nothing = { segment: undefined, reason: 'not today' };
    const totals = order.totals as RecordTotals;
    const id = nameOfSegment(order.shard, totals.digest.toString('hex'), '0'.repeat(32));
    const isHere = this.segments.has(`${order.keyspaceUid} ${id}`);
    if (!isHere && this.merging !== MergeState.DONE) return { state: this.merging, ...nothing };
    const lacks = order.segmentIds.some((one) => !this.segments.has(`${order.keyspaceUid} ${one}`));
    if (!isHere && lacks) return { state: MergeState.FAILED, ...nothing };
    if (!isHere) {
      this.store(order.keyspaceUid, id);
      this.mergesDone++;
    }
    const segment = { id, shard: order.shard, fileBytes: 50, ...totals };
    return { state: MergeState.DONE, segment, reason: '' };
  }

  /** Reports one added key per shard. */
  diff(request: DiffShardsRequest): DiffShardsResponse {
    if (this.diffFails) throw new SteleError('OVERLOADED', 'too much to do');
    this.diffed.push(...request.shards);
    return {
      diffs: request.shards.map((shard) => ({
        shard,
        counts: { added: 1, removed: 0, changed: 0 },
        samples: [
          {
            kind: DiffKind.ADDED,
            key: Buffer.from(`key of shard ${shard}`),
            from: undefined,
            to: { bytes: Buffer.from('v'), byteLength: 1 },
          },
        ],
      })),
    };
  }

  copy(order: CopyOrder, network: FakeNetwork): void {
    const segment = order.segment as SegmentInfo;
    const key = `${order.keyspaceUid} ${segment.id}`;
    if (this.segments.has(key)) return;
    const source = order.sources
      .map((each) => network.nodes.get(each.nodeId))
      .find((node) => node?.alive === true && node.segments.has(key));
    const isStored = order.store !== undefined && network.isArchived(key);
    if (source === undefined && isStored) this.fromStore++;
    if ((source === undefined && !isStored) || this.copyFails) {
      this.#failures.push({
        keyspaceUid: order.keyspaceUid,
        segmentId: segment.id,
        reason: 'no source',
      });
      return;
    }
    this.copiesDone += 1;
    this.store(order.keyspaceUid, segment.id);
  }
}

export class FakeNetwork implements LinkFactory {
  readonly nodes = new Map<string, FakeDatanode>();

  isArchived(key: string): boolean {
    return [...this.nodes.values()].some(({ archived }) => archived.has(key));
  }

  /** What every version has, whatever its segments are called. */
  readonly values = new Map<string, string>();
  /** Awaited before a drop order reaches its node. */
  beforeDrop: (nodeId: string) => Promise<void> = () => Promise.resolve();

  add(id: string): FakeDatanode {
    const node = new FakeDatanode(id, 10_000 + this.nodes.size);
    this.nodes.set(id, node);
    return node;
  }

  connect(target: LinkTarget): DatanodeLink {
    const there = (): FakeDatanode => {
      const node = [...this.nodes.values()].find((each) => each.port === target.address.grpcPort);
      if (node === undefined) throw new SteleError('UNAVAILABLE', 'nobody listens there');
      return node;
    };
    const find = (header: OrderHeader | undefined): FakeDatanode => {
      const node = there();
      node.checkOrder(header);
      return node;
    };
    const asked = (nodeId: string): FakeDatanode => {
      const node = there();
      if (node.id !== nodeId) throw new SteleError('WRONG_NODE', `This is ${node.id}.`);
      return node;
    };
    return {
      heartbeat: async (request) => {
        const node = there();
        node.checkQuestion(request.header);
        return node.heartbeat();
      },
      listHoldings: async (request) => find(request.header).holdings(),
      applyView: async (request) => ({
        missingManifests: find(request.header).applyView(request.view as ClusterView),
      }),
      putManifest: async (request) => {
        const held = find(request.header).putManifest(request.manifest as Manifest);
        return { heldSegmentIds: held.map(({ id }) => id), held };
      },
      copySegments: async (request) => {
        const node = find(request.header);
        for (const order of request.orders) node.copy(order, this);
        return { accepted: request.orders.length };
      },
      restart: async () => ({}),
      dropSegments: async (request) => {
        await this.beforeDrop(target.nodeId);
        const node = find(request.header);
        const dropped = request.segments.filter(({ keyspaceUid, segmentId }) =>
          node.drop(keyspaceUid, segmentId, request.holdingsRevision),
        ).length;
        for (const { keyspaceUid, version } of request.versions) {
          node.manifests.delete(`${keyspaceUid}/${version}`);
        }
        return { dropped };
      },
      scanKeys: () => Promise.reject(new SteleError('UNSUPPORTED', 'no keys here')),
      measureDeltas: async (request) => ({ measures: find(request.header).measure(request) }),
      archiveSegments: async (request) => ({
        statuses: request.segments.map((held) => find(request.header).archive(held)),
      }),
      mergeSegments: async (request) => {
        const node = find(request.header);
        return { statuses: request.orders.map((order) => node.merge(order)) };
      },
      getHotKeys: async ({ expectNode: nodeId }) => {
        const { hotKeys } = asked(nodeId);
        if (hotKeys === undefined) throw new SteleError('UNAVAILABLE', 'gone');
        return hotKeys;
      },
      measureRecords: async ({ expectNode: nodeId }) => {
        const { measured } = asked(nodeId);
        if (measured === undefined) throw new SteleError('UNAVAILABLE', 'gone');
        return measured;
      },
      countReads: async (request) => ({ counters: find(request.header).reads }),
      diffShards: async (request) => {
        const header = { epoch: Number.MAX_SAFE_INTEGER, clusterId: '' };
        const { expectIncarnation: incarnation, expectNode: nodeId } = request;
        return find({ ...header, nodeId, incarnation }).diff(request);
      },
      fetchSegment: () => Promise.reject(new SteleError('UNSUPPORTED', 'no bytes here')),
      lookups: channelOf((batch) => {
        const node = [...this.nodes.values()].find(({ port }) => port === target.address.grpcPort);
        if (node?.alive !== true) throw new SteleError('UNAVAILABLE', 'nobody listens there');
        for (const { key, target: wanted } of batch.keys) {
          const manifest = `${wanted.keyspaceUid}/${wanted.version}`;
          const knows = node.manifests.has(manifest) && !node.blind;
          const value = Buffer.from(this.values.get(Buffer.from(key).toString()) ?? '');
          const status = !knows
            ? LookupStatus.UNAVAILABLE
            : this.values.has(Buffer.from(key).toString())
              ? LookupStatus.OK
              : LookupStatus.NOT_FOUND;
          batch.onAnswer(status, value, 0, value.length);
        }
      }),
      close: () => undefined,
    };
  }
}
