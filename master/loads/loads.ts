// Bulk loads from the master's point of view: begin, progress, cancel, end, and status. Segment
// bytes go from the loader to the datanodes and never pass through the master. commit.ts has the
// commit.
//
// Each report of a load renews its lease. A load whose lease has ended may be replaced by another
// one; until then its own loader can resume it.

import { wallClockIso, wallClockIsoIn } from '../../base/clock.ts';
import { SteleError } from '../../base/errors.ts';
import { keyspaceName, parseKeyspaceUid, shorten } from '../../base/ids.ts';
import { LABEL_CHARACTERS_MAX } from '../../base/limits.ts';
import type { Logger } from '../../base/log.ts';
import { LoadMode } from '../../proto/gen/stele/v1/load.ts';
import type {
  AbortLoadRequest,
  BeginLoadRequest,
  BeginLoadResponse,
  CommitLoadRequest,
  CommitLoadResponse,
  LoadStatus,
  LoadTargets,
  ReportProgressRequest,
  ReportProgressResponse,
} from '../../proto/gen/stele/v1/load.ts';
import {
  beginLoad,
  cancelLoad,
  endLoad,
  interruptLoad,
  loadNotFound,
  resumeLoad,
} from '../catalog/load-transitions.ts';
import type { BegunLoad } from '../catalog/load-transitions.ts';
import { removeGhosts, setTier } from '../catalog/keyspace-transitions.ts';
import { tierOfMessage } from '../catalog/messages.ts';
import { clusterOf, findKeyspace } from '../catalog/queries.ts';
import { versionId } from '../catalog/records.ts';
import { chooseSegmentFormat } from '../catalog/segment-format.ts';
import type { KeyspaceRecord, LoadRecord } from '../catalog/records.ts';
import { Committer } from './commit.ts';
import { canLoad, loadTargets } from '../core/questions/load-targets.ts';
import { mayServe } from '../core/world/membership.ts';
import { requireArchiving } from '../control/archiving/archiving.ts';
import type { Leader } from '../control/leader.ts';
import { LoadLeases, PROGRESS_INTERVAL_MS } from './load-leases.ts';
import { LoadEnds } from './load-ends.ts';
import { describeLoad, keyspaceOfLoads, newestFirst } from './load-status.ts';

/**
 * A load that was silent for this long is ended for good, because it keeps old versions from being
 * removed.
 */
const ABANDONED_MS = 3_600_000;
/** Characters of BeginLoadRequest.input that are kept; a loader sends fewer. */
const INPUT_CHARACTERS_MAX = 1000;

export class Loads {
  readonly #leader: Leader;
  readonly #leases: LoadLeases;
  readonly #log: Logger;
  readonly #committer: Committer;
  readonly #ends: LoadEnds;

  constructor(leader: Leader, log: Logger, ends = new LoadEnds()) {
    const running = [...leader.catalog.state.load.values()].filter(
      (load) => load.state === 'RUNNING',
    );
    this.#leader = leader;
    this.#log = log;
    this.#ends = ends;
    this.#leases = new LoadLeases(
      () => leader.nowMs(),
      running.map((load) => load.id),
    );
    this.#committer = new Committer(leader, this.#leases, log);
  }

  async beginLoad(request: BeginLoadRequest): Promise<BeginLoadResponse> {
    keyspaceName(request.keyspace);
    requireKnownMode(request.mode);
    if (request.archiveFirst === true) requireArchiving(this.#leader);
    if (request.loadId !== '') return this.#resume(request);
    const current = this.#currentIfSame(request);
    if (current !== undefined) {
      await this.#setTier(request);
      this.#ends.noteCurrent();
      return this.#response('', current, { alreadyCurrent: true });
    }
    this.#requireServing();
    const begun = await this.#begin(request);
    this.#log.info(
      { load: begun.load.id, keyspace: begun.keyspace.name, source: begun.load.source },
      'a load begins',
    );
    const response = await this.#alive(begun, request);
    this.#leader.turn();
    // What the loader sends then goes to its tier at once.
    if (request.tier !== undefined) await this.#leader.waitApplied();
    return response;
  }

  /** Of a load that does not begin now: a new one sets it as it begins. */
  async #setTier({ keyspace, tier }: BeginLoadRequest): Promise<void> {
    if (tier === undefined) return;
    const word = tierOfMessage(tier);
    await this.#leader.catalog.update((state) => setTier(state, keyspace, word));
    this.#leader.turn();
  }

  #begin(request: BeginLoadRequest): Promise<BegunLoad> {
    const wanted = {
      id: this.#leader.env.randomId(),
      keyspaceUid: parseKeyspaceUid(request.keyspaceUid ?? this.#leader.env.randomId()),
      isRestore: request.keyspaceUid !== undefined,
      tier: request.tier === undefined ? undefined : tierOfMessage(request.tier),
      keyspace: request.keyspace,
      source: shorten(request.source, 2 * LABEL_CHARACTERS_MAX),
      input: request.input.slice(0, INPUT_CHARACTERS_MAX),
      inputFingerprint: request.inputFingerprint,
      minReplicas: request.minReplicas,
      mode: request.mode === LoadMode.APPEND ? ('APPEND' as const) : ('REPLACE' as const),
      workToken: request.workToken,
      owner: ownerOf(request),
      nowIso: wallClockIso(this.#leader.env),
    };
    return this.#leader.catalog.update((state) =>
      beginLoad(state, wanted, (other) => this.#leases.livenessOf(other.id)),
    );
  }

  /**
   * Resumes a load. If it is committed and its version is current, the loader missed the answer and
   * nothing is left to do.
   */
  async #resume(request: BeginLoadRequest): Promise<BeginLoadResponse> {
    const { loadId } = request;
    const { state } = this.#leader.catalog;
    const load = state.load.get(loadId);
    const keyspace = load === undefined ? undefined : state.keyspace.get(load.keyspaceUid);
    // The caller was allowed to load into the keyspace that it names.
    const isOfOther = keyspace?.name !== request.keyspace;
    if (load === undefined || keyspace === undefined || isOfOther) throw loadNotFound(loadId);
    const isCurrent = load.version === keyspace.desired.currentVersion;
    if (load.state === 'COMMITTED' && isCurrent)
      return this.#response(loadId, keyspace, { alreadyCurrent: true });
    // The work of a load that ended otherwise is reused by a new load.
    if (load.state !== 'RUNNING') throw loadNotFound(loadId);
    const resumed = await this.#leader.catalog.update((now) => resumeLoad(now, loadId));
    await this.#setTier(request);
    return this.#alive(resumed, request);
  }

  async #alive(
    { load, keyspace }: BegunLoad,
    request: BeginLoadRequest,
  ): Promise<BeginLoadResponse> {
    this.#leases.renew(load.id);
    const segmentFormat = await this.#leader.catalog.update((state) =>
      chooseSegmentFormat(state, request.segmentFormat || 1),
    );
    return this.#response(load.id, keyspace, { segmentFormat });
  }

  #currentIfSame(request: BeginLoadRequest): KeyspaceRecord | undefined {
    const { state } = this.#leader.catalog;
    const keyspace = findKeyspace(state, request.keyspace);
    if (keyspace === undefined || !request.skipIfCurrent) return undefined;
    const current = state.version.get(versionId(keyspace.uid, keyspace.desired.currentVersion));
    const same = current?.inputFingerprint === request.inputFingerprint;
    // The content of an append's version is more than its input.
    const isWhole = request.mode === LoadMode.APPEND || (current?.append?.base ?? 0) === 0;
    return same && isWhole && request.inputFingerprint !== '' ? keyspace : undefined;
  }

  #requireServing(): void {
    const { world } = this.#leader;
    if (canLoad(world)) return;
    const leaver = [...world.nodes.values()].find(mayServe);
    throw new SteleError(
      'UNAVAILABLE',
      leaver === undefined
        ? 'No datanode serves, so there is nowhere to load to; start datanodes and try again.'
        : `Every datanode that serves is being drained, so there is nowhere to load to; keep one with \`stele node resume ${leaver.id}\`, or start another one.`,
    );
  }

  #response(
    loadId: string,
    keyspace: KeyspaceRecord,
    { alreadyCurrent = false, segmentFormat = 0 },
  ): BeginLoadResponse {
    const cluster = clusterOf(this.#leader.catalog.state);
    const replication = this.#replicationOf(keyspace);
    return {
      loadId,
      keyspaceUid: keyspace.uid,
      shardCount: cluster.shardCount,
      replication,
      clusterId: cluster.id,
      targets: this.#targets(replication),
      alreadyCurrent,
      currentVersion: keyspace.desired.currentVersion,
      progressIntervalMs: PROGRESS_INTERVAL_MS,
      segmentFormat,
    };
  }

  #replicationOf(keyspace: KeyspaceRecord): number {
    return keyspace.desired.replication || this.#leader.world.replication;
  }

  #targets(replication: number): LoadTargets {
    return loadTargets(this.#leader.world, replication);
  }

  reportProgress(request: ReportProgressRequest): ReportProgressResponse {
    const { state } = this.#leader.catalog;
    const load = state.load.get(request.loadId);
    if (load === undefined) throw loadNotFound(request.loadId);
    const keyspace = state.keyspace.get(load.keyspaceUid);
    const replication =
      keyspace === undefined ? this.#leader.world.replication : this.#replicationOf(keyspace);
    const over = load.state !== 'RUNNING' && load.state !== 'COMMITTED';
    if (load.state === 'RUNNING') this.#leases.renew(load.id, request);
    const targets = this.#targets(replication);
    return { cancelled: over, targets, reason: over ? (load.reason ?? 'it is over') : '' };
  }

  /**
   * Handles a loader that gives its load up, for now or for good. Does not change a load that is
   * over.
   */
  async abortLoad({ loadId, reason, resumable }: AbortLoadRequest): Promise<void> {
    const why = reason || 'the loader gave it up';
    if (resumable) await this.#interrupt(loadId, why);
    else await this.#end(loadId, 'FAILED', why);
  }

  async #interrupt(loadId: string, reason: string): Promise<void> {
    const end = {
      reason,
      progress: this.#leases.progressOf(loadId),
      nowIso: wallClockIso(this.#leader.env),
    };
    await this.#leader.catalog.update((state) => interruptLoad(state, loadId, end));
    this.#log.info({ ...this.#about(loadId), reason }, 'a load is interrupted');
    this.#leader.turn();
  }

  /** Throws LOAD_NOT_FOUND, and CONFLICT for a load that is over. */
  async cancel(loadId: string, reason: string): Promise<LoadStatus> {
    this.get(loadId);
    const end = {
      reason: reason || 'cancelled by hand',
      progress: this.#leases.progressOf(loadId),
      nowIso: wallClockIso(this.#leader.env),
    };
    const load = await this.#leader.catalog.update((state) => cancelLoad(state, loadId, end));
    this.#log.warn({ ...this.#about(loadId), reason: end.reason }, 'a load is cancelled');
    this.#leases.end(loadId);
    // Nobody will resume it: the segments it has sent may be dropped at once.
    this.#leader.dispatch({ kind: 'load-forgotten', uid: load.keyspaceUid });
    this.#leader.turn();
    return this.get(loadId);
  }

  async #end(loadId: string, how: 'FAILED' | 'ABANDONED', reason: string): Promise<void> {
    const progress = this.#leases.progressOf(loadId);
    const end = { reason, progress, nowIso: wallClockIso(this.#leader.env) };
    const before = this.#leader.catalog.state.load.get(loadId);
    await this.#leader.catalog.update((state) => endLoad(state, loadId, how, end));
    this.#leases.end(loadId);
    // Nobody will resume it: the segments it has sent may be dropped at once.
    if (before?.state === 'RUNNING') {
      this.#leader.dispatch({ kind: 'load-forgotten', uid: before.keyspaceUid });
    }
    this.#leader.turn();
  }

  /** What lines of the log say about a load. */
  #about(loadId: string): object {
    const keyspace = this.#leader.catalog.state.load.get(loadId)?.keyspaceUid;
    return { load: loadId, ...(keyspace === undefined ? {} : { keyspace }) };
  }

  /** Ends loads without a report for an hour. */
  async expire(): Promise<void> {
    const running = [...this.#leader.catalog.state.load.values()].filter(
      (load) => load.state === 'RUNNING',
    );
    this.#leases.keepOnly(new Set(running.map((load) => load.id)));
    for (const load of running) {
      if (this.#leases.silentMs(load.id) < ABANDONED_MS) continue;
      this.#log.warn(
        { ...this.#about(load.id), source: load.source },
        'an abandoned load is ended',
      );
      await this.#end(load.id, 'ABANDONED', 'it was silent for an hour');
    }
    const beforeIso = wallClockIsoIn(-ABANDONED_MS, this.#leader.env);
    const gone = await this.#leader.catalog.update((state) => removeGhosts(state, beforeIso));
    if (gone.length === 0) return;
    this.#log.info({ keyspaces: gone }, 'keyspaces without any version are removed');
    this.#leader.turn();
  }

  /** Running loads first, then newest first. `keyspace` empty: all. Throws KEYSPACE_NOT_FOUND. */
  list(keyspace: string): LoadStatus[] {
    const { state } = this.#leader.catalog;
    const uid = keyspace === '' ? undefined : keyspaceOfLoads(state, keyspace).uid;
    return [...state.load.values()]
      .filter((load) => uid === undefined || load.keyspaceUid === uid)
      .sort(newestFirst)
      .map((load) => describeLoad(state, load, this.#leases));
  }

  /** Throws LOAD_NOT_FOUND. */
  get(loadId: string): LoadStatus {
    const { state } = this.#leader.catalog;
    const load = state.load.get(loadId);
    if (load !== undefined) return describeLoad(state, load, this.#leases);
    throw new SteleError(
      'LOAD_NOT_FOUND',
      `There is no load '${shorten(loadId)}'; \`stele loads\` lists those there are.`,
    );
  }

  /** The commit: master/loads/commit.ts. */
  commitLoad(request: CommitLoadRequest): Promise<CommitLoadResponse> {
    return this.#committer.commit(request);
  }
}

/** A newer loader may know modes that must not be mistaken for a replace. */
/** The loader's description of itself, cut to the limits of a record. */
function ownerOf({ owner }: BeginLoadRequest): Required<LoadRecord>['owner'] {
  const { host = '', pid = 0, user = '' } = owner ?? {};
  return {
    host: shorten(host, LABEL_CHARACTERS_MAX),
    pid,
    user: shorten(user, LABEL_CHARACTERS_MAX),
  };
}

function requireKnownMode(mode: LoadMode): void {
  if ([LoadMode.UNSPECIFIED, LoadMode.REPLACE, LoadMode.APPEND].includes(mode)) return;
  throw new SteleError(
    'UNSUPPORTED',
    'The loader asks for a mode that the master does not know; use --mode replace or append, or a newer master.',
  );
}
