// Everything that a datanode does, without sockets. The files in endpoints/ connect it to the
// network.

import { STELE_VERSION } from '../base/process/build-version.ts';
import { SteleError, toSteleError } from '../base/errors.ts';
import type { BackgroundTasks } from '../base/background.ts';
import { systemEnv } from '../base/env.ts';
import type { Env } from '../base/env.ts';
import { parseKeyspaceUid } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import type { NodeState } from '../proto/gen/stele/v1/view.ts';
import type { NodeAddress } from '../proto/gen/stele/v1/view.ts';
import type {
  ApplyViewRequest,
  ApplyViewResponse,
  ArchiveSegmentsRequest,
  ArchiveSegmentsResponse,
  CopySegmentsRequest,
  CopySegmentsResponse,
  DiffShardsRequest,
  DiffShardsResponse,
  DropSegmentsRequest,
  DropSegmentsResponse,
  HeartbeatRequest,
  HeartbeatResponse,
  ListHoldingsRequest,
  ListHoldingsResponse,
  MeasureDeltasRequest,
  MeasureDeltasResponse,
  MergeSegmentsRequest,
  MergeSegmentsResponse,
  PutManifestRequest,
  PutManifestResponse,
  RestartRequest,
  RestartResponse,
} from '../proto/gen/stele/v1/datanode.ts';
import type { LinkFactory } from '../proto/ports.ts';
import type { SegmentAnnouncement, SegmentOrigin, SegmentWish } from '../proto/segment-transfer.ts';
import { CurrentView } from './view/current-view.ts';
import { Comparisons } from './maintenance/comparisons.ts';
import type { NodeIdentity } from './identity.ts';
import { Intake } from './transfer/intake.ts';
import { IntakeBrake } from './transfer/intake-brake.ts';
import type { OpenObjectStore } from './transfer/object-stores.ts';
import { outgoingSegment } from './transfer/outgoing.ts';
import type { OutgoingSegment } from './transfer/outgoing.ts';
import { LastKnown } from './view/last-known.ts';
import { NodeReport } from './report.ts';
import { ReadCounters } from './read-stats/read-counters.ts';
import { MasterContact } from './view/master-contact.ts';
import type { Overhead } from './storage/memory-budget.ts';
import { Merger } from './maintenance/merger.ts';
import { MissingFiles } from './storage/missing-files.ts';
import { checkCopies, checkMerges, checkSegments } from './order-checks.ts';
import { Receiving } from './transfer/receiving.ts';
import { DiskReads } from './reads/disk-reads.ts';
import { releaseLastHit } from './reads/lookup.ts';
import { LongScans } from './reads/scanning.ts';
import type { BlockSource } from './disk/block-source.ts';
import { RecordCache } from './disk/record-cache.ts';
import { FileSource } from './disk/file-source.ts';
import { Scrubber } from './maintenance/scrubber.ts';
import { requireWritten } from '../segment/header.ts';
import { SegmentWork } from './maintenance/segment-work.ts';
import type { PullWatch } from './transfer/segment-connection.ts';
import { SegmentOrders } from './transfer/segment-orders.ts';
import { ServingOrders } from './view/serving-orders.ts';
import { SegmentStorage } from './storage/segment-storage.ts';
import type { DiskStore } from './storage/store.ts';
import { VersionTables } from './storage/version-tables.ts';

export interface DatanodeOptions {
  readonly identity: NodeIdentity;
  readonly store: DiskStore;
  readonly links: LinkFactory;
  readonly zone: string;
  /** As for SegmentStorage. */
  readonly memoryMaxBytes: number;
  /** Memory for records that were read from disk, within `memoryMaxBytes`. 0 or absent: none. */
  readonly diskCacheBytes?: number;
  readonly overhead?: Overhead | undefined;
  readonly readAtOnceBytesMax?: number | undefined;
  readonly copyConcurrency: number;
  /** Opens the object stores that orders name. */
  readonly openObjectStore: OpenObjectStore;
  /** How long reads are answered by a view that may have been replaced. 0 or absent: no limit. */
  readonly serveWithoutMasterMaxMs?: number;
  /** Ends the process; its supervisor must start it again. */
  readonly onRestart?: (() => void) | undefined;
  /** Whether incoming segments are throttled while they make readers wait. */
  readonly hasIntakeBrake: boolean;
  readonly background: BackgroundTasks;
  readonly log: Logger;
  readonly env?: Env;
  /** Reads records from disk. Default: by asynchronous reads of `env`. */
  readonly blockSource?: BlockSource | undefined;
  /** Where work on whole segments runs. Default: worker threads. */
  readonly work?: SegmentWork;
}

export class Datanode {
  readonly identity: NodeIdentity;
  readonly storage: SegmentStorage;
  readonly holdings: SegmentStorage['holdings'];
  readonly tables: VersionTables;
  readonly cluster = new CurrentView();
  readonly contact: MasterContact;
  readonly intake: Intake;
  readonly receiving: Receiving;
  readonly longScans = new LongScans();
  readonly disk: DiskReads;
  /**
   * Read counters, updated by every protocol; `hits` and `misses` count only keys asked for by
   * RESP.
   */
  readonly counters = new ReadCounters();
  readonly brake: IntakeBrake;
  readonly scrubber: Scrubber;
  readonly report: NodeReport;
  readonly missingFiles: MissingFiles;
  readonly merger: Merger;
  readonly #options: DatanodeOptions;
  readonly #env: Env;
  readonly #work: SegmentWork;
  readonly #comparisons: Comparisons;
  readonly #segmentOrders: SegmentOrders;
  readonly #lastKnown: LastKnown;
  readonly #serving: ServingOrders;
  #address: NodeAddress = { host: '', httpPort: 0, respPort: 0, grpcPort: 0 };

  constructor(options: DatanodeOptions) {
    this.#options = options;
    const { env = systemEnv, work = new SegmentWork() } = options;
    this.#env = env;
    this.#work = work;
    const { blockSource: source = new FileSource(env), diskCacheBytes = 0, store } = options;
    this.storage = new SegmentStorage({
      ...options,
      env,
      source,
      hasReaders: () => this.brake.bytesPerSecond !== Infinity,
      order: {
        reads: (uid) => {
          const { hits = 0, misses = 0 } = this.tables.reads.get(uid) ?? {};
          return hits + misses;
        },
        currentIds: (uid) =>
          this.tables.segmentIdsOf(uid, this.cluster.keyspaceOf(uid)?.currentVersion ?? 0),
      },
    });
    const { damaged, holdings, memory, tiers, verifier } = this.storage;
    this.holdings = holdings;
    this.tables = new VersionTables(holdings);
    const { cluster, tables } = this;
    this.disk = new DiskReads({
      source,
      cache: new RecordCache(diskCacheBytes, memory),
      tables,
      onDamage: (segment, error) => damaged.removeRead(segment, error),
    });
    this.identity = options.identity;
    this.contact = new MasterContact(options.serveWithoutMasterMaxMs ?? 0);
    const { contact, identity } = this;
    const clusterId = (): string => identity.clusterId;
    const lastKnown = new LastKnown({ ...options, env, folder: store.folder, clusterId });
    this.#lastKnown = lastKnown;
    this.brake = new IntakeBrake(() => (options.hasIntakeBrake ? this.counters.lookups : 0));
    holdings.onChange((held) => {
      // The segment was dropped, or is on disk from now on.
      if (holdings.get(held.keyspaceUid, held.segmentId) === undefined) releaseLastHit();
    });
    this.intake = new Intake({ holdings, store, verifier, memory, source });
    const { brake, intake } = this;
    this.receiving = new Receiving(identity, intake);
    const parts = { ...options, env, holdings, work, verifier, memory, source };
    this.#comparisons = new Comparisons(holdings, tables, work);
    this.merger = new Merger({ ...parts, intake });
    this.missingFiles = new MissingFiles(parts);
    this.scrubber = new Scrubber(parts);
    const concurrency = options.copyConcurrency;
    this.#segmentOrders = new SegmentOrders({ ...parts, brake, concurrency, intake });
    const { scrubber, storage } = this;
    const reported = { ...options, storage, scrubber, counters: this.counters };
    this.report = new NodeReport({ ...reported, segmentOrders: this.#segmentOrders }, env.nowMs());
    const serving = { cluster, contact, holdings, identity, tables, tiers, lastKnown, env };
    this.#serving = new ServingOrders(serving);
  }

  /** Sets the address at which others reach this node, once its ports are open. */
  announce(address: NodeAddress): void {
    this.#address = address;
  }

  get address(): NodeAddress {
    return this.#address;
  }

  /**
   * Holds the good segments on disk, and begins to read those of the memory tier into memory; the
   * node is INITIALIZING until it resolves. Follows what the master said to an earlier process until
   * the master says something.
   */
  async open(): Promise<void> {
    await this.restore();
    await this.storage.open();
  }

  /**
   * Reads what the master said to an earlier process. Must run before the master can say anything
   * to this one.
   */
  restore(): Promise<void> {
    return this.#serving.restore();
  }

  get state(): NodeState {
    return this.report.state;
  }

  /** Stops answering reads if the view in force is too old. Call it periodically. */
  checkContact(nowMs: number): void {
    this.tables.isPaused = this.contact.refusal(nowMs) !== undefined;
  }

  get memoryMaxBytes(): number {
    return this.#options.memoryMaxBytes;
  }

  /** Free bytes of the disk as of the last measurement. */
  get diskFreeBytes(): number {
    return this.#options.store.freeBytes;
  }

  /** Bytes of segments that loads had this node pull out of stores. */
  get pulledBytesTotal(): number {
    return this.#segmentOrders.pulledBytesTotal;
  }

  async heartbeat(request: HeartbeatRequest, nowMs: number): Promise<HeartbeatResponse> {
    const isLeader = this.identity.admitHeartbeat(request.header);
    if (isLeader) this.#serving.heard(request, nowMs);
    // Not a restored view: the master must not assume that it has sent it to this process.
    const view = this.cluster.isRestored ? undefined : this.cluster.view;
    // The rates are of regular spans.
    for (const reads of this.tables.reads.values()) reads.ratePerSecond(nowMs);
    return {
      nodeId: this.identity.nodeId,
      incarnation: this.identity.incarnation,
      viewEpoch: view?.epoch ?? 0,
      viewRevision: view?.revision ?? 0,
      viewTerm: view?.term ?? '',
      ...this.identity.leader,
      ...this.report.heartbeat(nowMs),
      address: this.#address,
      zone: this.#options.zone,
      copyFailures: isLeader ? this.#segmentOrders.takeFailures() : [],
      release: STELE_VERSION,
    };
  }

  async listHoldings(request: ListHoldingsRequest): Promise<ListHoldingsResponse> {
    this.identity.admitQuestion(request.header);
    return this.holdings.list(request.sinceRevision);
  }

  applyView(request: ApplyViewRequest): Promise<ApplyViewResponse> {
    return this.#serving.applyView(request);
  }

  putManifest(request: PutManifestRequest): Promise<PutManifestResponse> {
    return this.#serving.putManifest(request);
  }

  async copySegments(request: CopySegmentsRequest): Promise<CopySegmentsResponse> {
    await this.identity.admit(request.header);
    checkCopies(request.orders);
    return { accepted: this.#segmentOrders.copy(request.orders, request.bytesPerSecondMax) };
  }

  /** Pulls a segment of a load out of a store; see Pulls.pull. Also throws WRONG_NODE. */
  async pull(
    announced: SegmentAnnouncement,
    origin: SegmentOrigin,
    watch: PullWatch,
  ): Promise<void> {
    this.identity.expect(announced.expectNode, announced.expectIncarnation);
    checkSegments([announced]);
    await this.#segmentOrders.pull(announced, origin, watch);
  }

  /** Throws INVALID_ARGUMENT for what is not the URL of a store. */
  async archiveSegments(request: ArchiveSegmentsRequest): Promise<ArchiveSegmentsResponse> {
    await this.identity.admit(request.header);
    checkSegments(request.segments);
    return { statuses: this.#segmentOrders.archive(request) };
  }

  async dropSegments(request: DropSegmentsRequest): Promise<DropSegmentsResponse> {
    await this.identity.admit(request.header);
    checkSegments(request.segments);
    for (const { keyspaceUid } of request.versions) parseKeyspaceUid(keyspaceUid);
    for (const version of request.versions) {
      this.tables.remove(version);
      this.#lastKnown.removeManifest(version);
    }
    const asOfRevision = request.holdingsRevision || Number.POSITIVE_INFINITY;
    const dropped = await this.#segmentOrders.drop(request.segments, asOfRevision);
    return { dropped };
  }

  /** Throws CONFLICT if nobody would start this process again. */
  async restart({ header }: RestartRequest): Promise<RestartResponse> {
    await this.identity.admit(header);
    const { log, onRestart } = this.#options;
    if (onRestart === undefined) {
      throw new SteleError(
        'CONFLICT',
        `Datanode ${this.identity.nodeId} does not know of anybody who would start it again; restart it where it was started, or start it with --restartable.`,
      );
    }
    log.info('the master has asked for a restart');
    // The answer is sent first.
    this.#env.soon(onRestart);
    return {};
  }

  async measureDeltas(
    request: MeasureDeltasRequest,
    signal?: AbortSignal,
  ): Promise<MeasureDeltasResponse> {
    await this.identity.admit(request.header);
    return this.#comparisons.measure(request, signal);
  }

  async mergeSegments(request: MergeSegmentsRequest): Promise<MergeSegmentsResponse> {
    await this.identity.admit(request.header);
    checkMerges(request.orders);
    requireWritten(request.segmentFormat, 'The master');
    return { statuses: this.merger.accept(request.orders, request.bytesPerSecondMax) };
  }

  async diffShards(request: DiffShardsRequest, signal?: AbortSignal): Promise<DiffShardsResponse> {
    this.identity.expect(request.expectNode, request.expectIncarnation);
    return this.#comparisons.diff(request, signal);
  }

  /**
   * A held segment for a peer, which verifies it: from memory, or from disk if its keyspace is
   * suspended. Throws WRONG_NODE, NOT_FOUND.
   */
  async outgoing({ expectNode, keyspaceUid, segmentId }: SegmentWish): Promise<OutgoingSegment> {
    this.identity.expect(expectNode, '');
    return outgoingSegment({ keyspaceUid, segmentId }, this.holdings, this.#options.store);
  }

  async close(): Promise<void> {
    this.brake.close();
    this.#segmentOrders.close();
    this.merger.close();
    this.storage.stop();
    this.disk.cache.clear();
    for (const closing of [
      this.identity.close(),
      this.#lastKnown.close(),
      this.storage.close(),
      this.#work.close(),
      this.disk.source.close(),
    ]) {
      try {
        await closing;
      } catch (thrown) {
        this.#options.log.warn(
          { err: toSteleError(thrown) },
          'a part of the datanode did not close',
        );
      }
    }
  }
}
