// Everything that a datanode does, without sockets. The files in endpoints/ connect it to the
// network.

import { STELE_VERSION } from '../base/process/build-version.ts';
import { SteleError, toSteleError } from '../base/errors.ts';
import type { BackgroundTasks } from '../base/background.ts';
import { systemEnv } from '../base/env.ts';
import type { Env } from '../base/env.ts';
import { parseKeyspaceUid } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import { usableCores } from '../base/process/usable-cores.ts';
import { NodeState } from '../proto/gen/stele/v1/view.ts';
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
  DiskTrouble,
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
import { Holdings } from './storage/holdings.ts';
import type { NodeIdentity } from './identity.ts';
import { Intake } from './transfer/intake.ts';
import { IntakeBrake } from './transfer/intake-brake.ts';
import { releaseLastHit } from './reads/lookup.ts';
import type { OpenObjectStore } from './transfer/object-stores.ts';
import { outgoingSegment } from './transfer/outgoing.ts';
import type { OutgoingSegment } from './transfer/outgoing.ts';
import { LastKnown } from './view/last-known.ts';
import { LookupRate, ReadCounters } from './read-stats/read-counters.ts';
import { MasterContact } from './view/master-contact.ts';
import { MemoryBudget } from './storage/memory-budget.ts';
import { Merger } from './maintenance/merger.ts';
import { StartupVerification } from './storage/startup-verification.ts';
import { MissingFiles } from './storage/missing-files.ts';
import { checkCopies, checkMerges, checkSegments } from './order-checks.ts';
import { Receiving } from './transfer/receiving.ts';
import { DiskReads } from './reads/disk-reads.ts';
import { LongScans } from './reads/scanning.ts';
import type { BlockSource } from './disk/block-source.ts';
import type { DiskSegment } from './disk/disk-segment.ts';
import { FileSource } from './disk/file-source.ts';
import { Scrubber } from './maintenance/scrubber.ts';
import { requireWritten } from '../segment/header.ts';
import { SegmentWork } from './maintenance/segment-work.ts';
import type { PullWatch } from './transfer/segment-connection.ts';
import { SegmentOrders } from './transfer/segment-orders.ts';
import { ServingOrders } from './view/serving-orders.ts';
import type { DiskStore } from './storage/store.ts';
import { Tiers } from './storage/tiers.ts';
import { Verifier } from './storage/verifier.ts';
import { VersionTables } from './storage/version-tables.ts';

export interface DatanodeOptions {
  readonly identity: NodeIdentity;
  readonly store: DiskStore;
  readonly links: LinkFactory;
  readonly zone: string;
  readonly memoryMaxBytes: number;
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
  readonly holdings = new Holdings();
  readonly tables = new VersionTables(this.holdings);
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
  readonly missingFiles: MissingFiles;
  readonly merger: Merger;
  readonly #options: DatanodeOptions;
  readonly #verifier: Verifier;
  readonly #startupVerifier: Verifier;
  readonly #env: Env;
  readonly #work: SegmentWork;
  readonly #comparisons: Comparisons;
  readonly #segmentOrders: SegmentOrders;
  readonly #startupVerification: StartupVerification;
  readonly #tiers: Tiers;
  readonly #lookupRate: LookupRate;
  readonly #lastKnown: LastKnown;
  readonly #serving: ServingOrders;
  #address: NodeAddress = { host: '', httpPort: 0, respPort: 0, grpcPort: 0 };

  constructor(options: DatanodeOptions) {
    this.#options = options;
    const { env = systemEnv, work = new SegmentWork() } = options;
    this.#env = env;
    this.#work = work;
    const { blockSource = new FileSource(env) } = options;
    this.disk = new DiskReads({
      source: blockSource,
      tables: this.tables,
      onDamage: (segment, error) => this.#onDamage(segment, error),
    });
    this.#lookupRate = new LookupRate(() => this.counters.lookups, env.nowMs());
    this.identity = options.identity;
    this.contact = new MasterContact(options.serveWithoutMasterMaxMs ?? 0);
    const clusterId = (): string => this.identity.clusterId;
    this.#lastKnown = new LastKnown({ ...options, env, folder: options.store.folder, clusterId });
    this.brake = new IntakeBrake(() => (options.hasIntakeBrake ? this.counters.lookups : 0));
    const memory = new MemoryBudget(this.holdings, options.memoryMaxBytes);
    const { verified } = options.store;
    this.#verifier = new Verifier({
      verified,
      threadsKept: 1,
      threadsMax: usableCores() - 1,
      hasReaders: () => this.brake.bytesPerSecond !== Infinity,
      env,
    });
    const threadsMax = usableCores();
    this.#startupVerifier = new Verifier({ verified, threadsKept: 0, threadsMax, env });
    this.holdings.onChange((held) => {
      // The segment was dropped, or is on disk from now on.
      if (this.holdings.get(held.keyspaceUid, held.segmentId) === undefined) releaseLastHit();
      if (!this.holdings.has(held.keyspaceUid, held.segmentId)) verified.forget(held);
    });
    this.intake = new Intake({
      holdings: this.holdings,
      store: options.store,
      verifier: this.#verifier,
      memory,
      source: this.disk.source,
    });
    this.receiving = new Receiving(this.identity, this.intake);
    const parts = { ...options, env, holdings: this.holdings, work };
    this.#comparisons = new Comparisons(this.holdings, this.tables, work);
    this.merger = new Merger({ ...parts, intake: this.intake, memory });
    this.missingFiles = new MissingFiles(parts);
    this.scrubber = new Scrubber({ ...parts, verifier: this.#verifier });
    const { source } = this.disk;
    const checked = { ...parts, verifier: this.#verifier, memory, source };
    this.#tiers = new Tiers(checked);
    const { brake, intake } = this;
    const concurrency = options.copyConcurrency;
    this.#segmentOrders = new SegmentOrders({ ...checked, brake, concurrency, intake });
    this.#startupVerification = new StartupVerification({
      ...parts,
      verifier: this.#startupVerifier,
      memory,
      source,
    });
    const { cluster, contact, holdings, identity, tables } = this;
    this.#serving = new ServingOrders({
      cluster,
      contact,
      holdings,
      identity,
      tables,
      tiers: this.#tiers,
      lastKnown: this.#lastKnown,
      env,
    });
  }

  /** Sets the address at which others reach this node, once its ports are open. */
  announce(address: NodeAddress): void {
    this.#address = address;
  }

  get address(): NodeAddress {
    return this.#address;
  }

  /**
   * Verifies the segments on disk and holds the good ones; the node is INITIALIZING until it
   * resolves. Follows what the master said to an earlier process until the master says something.
   */
  async open(): Promise<void> {
    await this.restore();
    await this.#tiers.open();
    await this.#startupVerification.run();
    await this.#startupVerifier.close();
    this.#verifier.warmUp();
  }

  /**
   * Reads what the master said to an earlier process. Must run before the master can say anything
   * to this one.
   */
  restore(): Promise<void> {
    return this.#serving.restore();
  }

  get state(): NodeState {
    return this.#startupVerification.done ? NodeState.SERVING : NodeState.INITIALIZING;
  }

  /** Stops answering reads if the view in force is too old. Call it periodically. */
  checkContact(nowMs: number): void {
    this.tables.isPaused = this.contact.refusal(nowMs) !== undefined;
  }

  /** The memory limit of this node, for the heartbeat and for metrics. */
  get limits(): { readonly memoryMaxBytes: number } {
    return { memoryMaxBytes: this.#options.memoryMaxBytes };
  }

  /** Segments on disk that were not loaded at the start because of the memory limit. */
  get notLoadedTotal(): number {
    return this.#startupVerification.notLoadedTotal;
  }

  /** Free bytes of the disk as of the last measurement. */
  get diskFreeBytes(): number {
    return this.#options.store.freeBytes;
  }

  /** Bytes of segments that loads had this node pull out of stores. */
  get pulledBytesTotal(): number {
    return this.#segmentOrders.pulledBytesTotal;
  }

  get quarantinedTotal(): number {
    const { scrubber, disk } = this;
    return (
      this.#startupVerification.quarantinedTotal + scrubber.stats.quarantined + disk.stats.damaged
    );
  }

  async heartbeat(request: HeartbeatRequest, nowMs: number): Promise<HeartbeatResponse> {
    const isLeader = this.identity.admitHeartbeat(request.header);
    if (isLeader) this.#serving.heard(request, nowMs);
    // Not a restored view: the master must not assume that it has sent it to this process.
    const view = this.cluster.isRestored ? undefined : this.cluster.view;
    const parked = this.#tiers.report();
    const diskTrouble = this.diskTrouble(nowMs);
    // The rates are of regular spans.
    for (const reads of this.tables.reads.values()) reads.ratePerSecond(nowMs);
    return {
      nodeId: this.identity.nodeId,
      incarnation: this.identity.incarnation,
      state: this.state,
      verifyBytesDone: this.#startupVerification.bytesDone,
      verifyBytesTotal: this.#startupVerification.bytesTotal,
      holdingsRevision: this.holdings.revision,
      viewEpoch: view?.epoch ?? 0,
      viewRevision: view?.revision ?? 0,
      viewTerm: view?.term ?? '',
      ...this.identity.leader,
      stats: {
        segmentBytes: this.holdings.segmentBytes,
        memoryLimitBytes: this.#options.memoryMaxBytes,
        diskFreeBytes: this.diskFreeBytes,
        residentBytes: process.memoryUsage.rss(),
        lookupsTotal: this.counters.lookups,
        quarantinedTotal: this.quarantinedTotal,
        copiesRunning: this.#segmentOrders.copiesRunning,
        lookupsPerSecond: this.#lookupRate.perSecond(nowMs),
        diskTierBytes: this.holdings.diskBytes,
      },
      address: this.#address,
      zone: this.#options.zone,
      copyFailures: isLeader ? this.#segmentOrders.takeFailures() : [],
      release: STELE_VERSION,
      tierMoves: this.#tiers.moves(),
      ...(parked === undefined ? {} : { parked }),
      ...(diskTrouble === undefined ? {} : { diskTrouble }),
    };
  }

  /**
   * The disk's trouble, if any. A node that cannot save whom it obeys accepts no segments, because
   * its promises would not survive a restart.
   */
  diskTrouble(nowMs: number): DiskTrouble | undefined {
    const trouble = this.#options.store.trouble(nowMs);
    const { saveError } = this.identity;
    if (saveError === '') return trouble;
    return { full: trouble?.full ?? false, writeError: trouble?.writeError || saveError };
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

  /** Takes a segment of which a read from disk was damaged out of service, once. */
  #onDamage(segment: DiskSegment, error: SteleError): void {
    const { background, log, store } = this.#options;
    const { id: segmentId, keyspaceUid, shard } = segment.meta;
    if (this.holdings.readable(keyspaceUid, segmentId) !== segment) return;
    this.disk.stats.damaged++;
    this.holdings.remove(keyspaceUid, segmentId);
    const about = { keyspace: keyspaceUid, shard, segment: segmentId, err: error.message };
    log.error(about, 'a bad copy was found on disk; it is fetched again from another datanode');
    background.run('quarantine', async () => {
      await store.quarantine(store.fileOf(keyspaceUid, segmentId));
    });
  }

  async close(): Promise<void> {
    this.brake.close();
    this.#segmentOrders.close();
    this.merger.close();
    this.#tiers.close();
    this.holdings.closeFiles();
    this.#startupVerification.stop();
    for (const closing of [
      this.identity.close(),
      this.#lastKnown.close(),
      this.#startupVerifier.close(),
      this.#verifier.close(),
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
