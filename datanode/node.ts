// The datanode as an object: everything it does, without sockets or timers. grpc-service.ts and
// resp-backend.ts put it on the network; direct-link.ts hands it to a master in the same process.

import { availableParallelism } from 'node:os';
import { SteleError, toSteleError } from '../base/errors.ts';
import type { BackgroundTasks } from '../base/background.ts';
import { monotonicNowMs } from '../base/clock.ts';
import { keyspaceUidOf } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import { NodeState } from '../proto/gen/stele/v1/view.ts';
import type { NodeAddress } from '../proto/gen/stele/v1/view.ts';
import type {
  ApplyViewRequest,
  ApplyViewResponse,
  CopySegmentsRequest,
  CopySegmentsResponse,
  DiffShardsRequest,
  DiffShardsResponse,
  DiskTrouble,
  DropSegmentsRequest,
  DropSegmentsResponse,
  HeartbeatRequest,
  HeartbeatResponse,
  HeldSegment,
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
import type { SegmentWish } from '../proto/segment-transfer.ts';
import { ClusterState } from './view/cluster-state.ts';
import { Comparisons } from './maintenance/comparisons.ts';
import { Copier } from './transfer/copier.ts';
import { Holdings } from './storage/holdings.ts';
import type { NodeIdentity } from './identity.ts';
import { Intake } from './transfer/intake.ts';
import { IntakeBrake } from './transfer/intake-brake.ts';
import { releaseFound } from './reads/lookup.ts';
import { outgoingSegment } from './transfer/outgoing.ts';
import type { OutgoingSegment } from './transfer/outgoing.ts';
import { LastKnown } from './view/last-known.ts';
import { LookupRate } from './reads/lookup-rate.ts';
import { ReadCounters } from './reads/read-counters.ts';
import { MasterContact } from './view/master-contact.ts';
import { MemoryBudget } from './storage/memory-budget.ts';
import { Merger } from './maintenance/merger.ts';
import { OpeningScan } from './storage/opening-scan.ts';
import { MissingFiles } from './storage/missing-files.ts';
import { checkCopies, checkMerges, checkSegments } from './order-checks.ts';
import { Receiving } from './transfer/receiving.ts';
import { SlotKeys } from './reads/slot-keys.ts';
import { Scrubber } from './maintenance/scrubber.ts';
import { SegmentWork } from './maintenance/segment-work.ts';
import { ServingOrders } from './view/serving-orders.ts';
import type { DiskStore } from './storage/store.ts';
import { Suspension } from './storage/suspension.ts';
import { Verifier } from './storage/verifier.ts';
import { VersionTables } from './storage/version-tables.ts';

/** Files of one drop order that are removed together: they share a sync of their folder. */
const DROPS_AT_A_TIME = 32;

export interface DatanodeOptions {
  readonly identity: NodeIdentity;
  readonly store: DiskStore;
  readonly links: LinkFactory;
  readonly zone: string;
  readonly memoryMaxBytes: number;
  readonly copyConcurrency: number;
  /** How long reads are answered by a view that may have been replaced; 0 or nothing: without a bound. */
  readonly serveWithoutMasterMaxMs?: number;
  /** Ends the process, which is then started again by whoever runs it. */
  readonly onRestart?: (() => void) | undefined;
  /** Whether what comes in is held back while it makes readers wait. */
  readonly hasIntakeBrake: boolean;
  readonly background: BackgroundTasks;
  readonly log: Logger;
}

export class Datanode {
  readonly identity: NodeIdentity;
  readonly holdings = new Holdings();
  readonly tables = new VersionTables(this.holdings);
  readonly cluster = new ClusterState();
  readonly contact: MasterContact;
  readonly intake: Intake;
  readonly receiving: Receiving;
  readonly slotKeys = new SlotKeys();
  /** Counted by whoever answers reads; `hits` and `misses` are of keys asked for by RESP. */
  readonly counters = new ReadCounters();
  readonly brake: IntakeBrake;
  readonly scrubber: Scrubber;
  readonly missingFiles: MissingFiles;
  readonly merger: Merger;
  readonly #options: DatanodeOptions;
  /** One core is left to readers. */
  readonly #verifier: Verifier;
  readonly #openingVerifier: Verifier;
  readonly #work = new SegmentWork();
  readonly #comparisons = new Comparisons(this.holdings, this.tables, this.#work);
  readonly #copier: Copier;
  readonly #scan: OpeningScan;
  readonly #suspension: Suspension;
  readonly #lookupRate = new LookupRate(() => this.counters.lookups, monotonicNowMs());
  readonly #lastKnown: LastKnown;
  readonly #serving: ServingOrders;
  #address: NodeAddress = { host: '', httpPort: 0, respPort: 0, grpcPort: 0 };

  constructor(options: DatanodeOptions) {
    this.#options = options;
    this.identity = options.identity;
    this.contact = new MasterContact(options.serveWithoutMasterMaxMs ?? 0);
    const clusterId = (): string => this.identity.clusterId;
    this.#lastKnown = new LastKnown({ ...options, folder: options.store.folder, clusterId });
    this.brake = new IntakeBrake(() => (options.hasIntakeBrake ? this.counters.lookups : 0));
    const memory = new MemoryBudget(this.holdings, options.memoryMaxBytes);
    const { verified } = options.store;
    this.#verifier = new Verifier({
      verified,
      threadsKept: 1,
      threadsMax: availableParallelism() - 1,
      isBesideReaders: () => this.brake.bytesPerSecond !== Infinity,
    });
    const threadsMax = availableParallelism();
    this.#openingVerifier = new Verifier({ verified, threadsKept: 0, threadsMax });
    this.holdings.onChange((held) => {
      // Dropped, or on disk only from here on.
      if (this.holdings.get(held.keyspaceUid, held.segmentId) === undefined) releaseFound();
      if (!this.holdings.has(held.keyspaceUid, held.segmentId)) verified.forget(held);
    });
    this.intake = new Intake({
      holdings: this.holdings,
      store: options.store,
      verifier: this.#verifier,
      memory,
    });
    this.receiving = new Receiving(this.identity, this.intake);
    this.#copier = new Copier({
      intake: this.intake,
      links: options.links,
      brake: this.brake,
      concurrency: options.copyConcurrency,
      background: options.background,
      log: options.log,
    });
    const parts = { ...options, holdings: this.holdings, work: this.#work };
    this.merger = new Merger({ ...parts, intake: this.intake });
    this.missingFiles = new MissingFiles(parts);
    this.scrubber = new Scrubber({ ...parts, verifier: this.#verifier });
    this.#suspension = new Suspension({
      ...parts,
      verifier: this.#verifier,
      memory,
    });
    this.#scan = new OpeningScan({ ...parts, verifier: this.#openingVerifier, memory });
    const { cluster, contact, holdings, identity, tables } = this;
    this.#serving = new ServingOrders({
      cluster,
      contact,
      holdings,
      identity,
      tables,
      suspension: this.#suspension,
      lastKnown: this.#lastKnown,
    });
  }

  /** Where others reach this node; known once its ports are open. */
  announce(address: NodeAddress): void {
    this.#address = address;
  }

  get address(): NodeAddress {
    return this.#address;
  }

  /**
   * Verifies what is on disk and holds what is good; until it resolves the node is INITIALIZING. Goes by
   * what the master said to an earlier run until it says something itself.
   */
  async open(): Promise<void> {
    await this.restore();
    await this.#suspension.open();
    await this.#scan.run();
    await this.#openingVerifier.close();
    this.#verifier.warmUp();
  }

  /** Reads what the master said to an earlier run: before the master can say anything to this one. */
  restore(): Promise<void> {
    return this.#serving.restore();
  }

  get state(): NodeState {
    return this.#scan.done ? NodeState.SERVING : NodeState.INITIALIZING;
  }

  /** Stops answering reads where the view in force is too old; to be called now and then. */
  checkContact(nowMs: number): void {
    this.tables.isPaused = this.contact.refusal(nowMs) !== undefined;
  }

  /** Room this node has and what it is doing, for the heartbeat and for metrics. */
  get limits(): { readonly memoryMaxBytes: number } {
    return { memoryMaxBytes: this.#options.memoryMaxBytes };
  }

  /** Segments on disk that were not loaded at the start, for lack of memory. */
  get notLoadedTotal(): number {
    return this.#scan.notLoadedTotal;
  }

  get quarantinedTotal(): number {
    return this.#scan.quarantinedTotal + this.scrubber.stats.quarantined;
  }

  async heartbeat(request: HeartbeatRequest, nowMs: number): Promise<HeartbeatResponse> {
    const isLeader = this.identity.admitHeartbeat(request.header);
    if (isLeader) this.#serving.heard(request, nowMs);
    // The master must not take a view of an earlier run for one that it has sent.
    const view = this.cluster.isRestored ? undefined : this.cluster.view;
    const parked = this.#suspension.report();
    const { store } = this.#options;
    const diskTrouble = this.#diskTrouble(nowMs);
    return {
      nodeId: this.identity.nodeId,
      incarnation: this.identity.incarnation,
      state: this.state,
      verifyBytesDone: this.#scan.bytesDone,
      verifyBytesTotal: this.#scan.bytesTotal,
      holdingsRevision: this.holdings.revision,
      viewEpoch: view?.epoch ?? 0,
      viewRevision: view?.revision ?? 0,
      viewTerm: view?.term ?? '',
      ...this.identity.leader,
      stats: {
        segmentBytes: this.holdings.segmentBytes,
        memoryLimitBytes: this.#options.memoryMaxBytes,
        diskFreeBytes: store.freeBytes,
        residentBytes: process.memoryUsage.rss(),
        lookupsTotal: this.counters.lookups,
        quarantinedTotal: this.quarantinedTotal,
        copiesRunning: this.#copier.running,
        lookupsPerSecond: this.#lookupRate.perSecond(nowMs),
      },
      address: this.#address,
      zone: this.#options.zone,
      copyFailures: isLeader ? this.#copier.takeFailures() : [],
      ...(parked === undefined ? {} : { parked }),
      ...(diskTrouble === undefined ? {} : { diskTrouble }),
    };
  }

  /** A node that cannot save whom it obeys takes no segments: what it promises would not outlive a restart. */
  #diskTrouble(nowMs: number): DiskTrouble | undefined {
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
    return { accepted: this.#copier.accept(request.orders, request.bytesPerSecondMax) };
  }

  async dropSegments(request: DropSegmentsRequest): Promise<DropSegmentsResponse> {
    await this.identity.admit(request.header);
    checkSegments(request.segments);
    for (const { keyspaceUid } of request.versions) keyspaceUidOf(keyspaceUid);
    for (const version of request.versions) {
      this.tables.remove(version);
      this.#lastKnown.removeManifest(version);
    }
    const asOfRevision = request.holdingsRevision || Number.POSITIVE_INFINITY;
    let dropped = 0;
    const drop = async ({ keyspaceUid, segmentId }: HeldSegment): Promise<void> => {
      this.#copier.forget(keyspaceUid, segmentId);
      // What is not held has no file here, or one that this order does not mean.
      if (!this.holdings.remove(keyspaceUid, segmentId, asOfRevision)) return;
      await this.#options.store.remove(keyspaceUid, segmentId);
      dropped++;
    };
    for (let at = 0; at < request.segments.length; at += DROPS_AT_A_TIME) {
      await Promise.all(request.segments.slice(at, at + DROPS_AT_A_TIME).map(drop));
    }
    return { dropped };
  }

  /** Throws CONFLICT where nobody starts this process again. */
  async restart({ header }: RestartRequest): Promise<RestartResponse> {
    await this.identity.admit(header);
    const { log, onRestart } = this.#options;
    if (onRestart === undefined) {
      throw new SteleError(
        'CONFLICT',
        `Nobody starts datanode ${this.identity.nodeId} again when it ends, as far as it knows; restart it where it was started, or start it with --restartable.`,
      );
    }
    log.info('the master has asked for a restart');
    // The answer goes out first.
    setImmediate(onRestart);
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
    return { statuses: this.merger.accept(request.orders, request.bytesPerSecondMax) };
  }

  async diffShards(request: DiffShardsRequest, signal?: AbortSignal): Promise<DiffShardsResponse> {
    this.identity.expect(request.expectNode, request.expectIncarnation);
    return this.#comparisons.diff(request, signal);
  }

  /**
   * A segment held here, as it is given to a peer, which verifies it: from memory, or of a suspended
   * keyspace from disk. Throws WRONG_NODE, NOT_FOUND.
   */
  async outgoing({ expectNode, keyspaceUid, segmentId }: SegmentWish): Promise<OutgoingSegment> {
    this.identity.expect(expectNode, '');
    return outgoingSegment({ keyspaceUid, segmentId }, this.holdings, this.#options.store);
  }

  async close(): Promise<void> {
    this.brake.close();
    this.#copier.close();
    this.merger.close();
    this.#suspension.close();
    this.#scan.stop();
    for (const closing of [
      this.#lastKnown.close(),
      this.#openingVerifier.close(),
      this.#verifier.close(),
      this.#work.close(),
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
