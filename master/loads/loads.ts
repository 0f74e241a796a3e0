// Bulk loads as the master sees them: begin, progress, cancel, end, and what is told of them. Segment
// bytes never come here; they go from the loader to the datanodes. The commit is in commit.ts.
//
// A load lives by its reports: each renews its lease. A load whose lease has ended may be replaced by
// another one, and is taken up again by its own loader as long as none has.

import { wallClockIso, wallClockIsoIn } from '../../base/clock.ts';
import { SteleError } from '../../base/errors.ts';
import { keyspaceName, randomId, shorten } from '../../base/ids.ts';
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
import { removeGhosts } from '../catalog/keyspace-transitions.ts';
import { clusterOf, findKeyspace } from '../catalog/queries.ts';
import { versionId } from '../catalog/records.ts';
import type { KeyspaceRecord, LoadRecord } from '../catalog/records.ts';
import { Committer } from './commit.ts';
import { canLoad, loadTargets } from '../core/load-targets.ts';
import { mayServe } from '../core/membership.ts';
import type { Leader } from '../control/leader.ts';
import { LoadLeases, PROGRESS_INTERVAL_MS } from './load-leases.ts';
import { LoadEnds } from './load-ends.ts';
import { describeLoad, keyspaceOfLoads, newestFirst } from './load-status.ts';

/** A load that was silent for this long is ended for good: it keeps old versions from going. */
const ABANDONED_MS = 3_600_000;
/** Of BeginLoadRequest.input that are kept; a loader sends less. */
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
    if (request.loadId !== '') return this.#resume(request.loadId);
    const current = this.#currentIfSame(request);
    if (current !== undefined) {
      this.#ends.noteCurrent();
      return this.#response('', current, true);
    }
    this.#requireServing();
    const begun = await this.#begin(request);
    this.#log.info(
      { load: begun.load.id, keyspace: begun.keyspace.name, source: begun.load.source },
      'a load begins',
    );
    const response = this.#alive(begun);
    this.#leader.turn();
    return response;
  }

  #begin(request: BeginLoadRequest): Promise<BegunLoad> {
    const wanted = {
      id: randomId(),
      keyspaceUid: randomId(),
      keyspace: request.keyspace,
      source: shorten(request.source, 2 * LABEL_CHARACTERS_MAX),
      input: request.input.slice(0, INPUT_CHARACTERS_MAX),
      inputFingerprint: request.inputFingerprint,
      minReplicas: request.minReplicas,
      mode: request.mode === LoadMode.APPEND ? ('APPEND' as const) : ('REPLACE' as const),
      workToken: request.workToken,
      owner: ownerOf(request),
      nowIso: wallClockIso(),
    };
    return this.#leader.catalog.update((state) =>
      beginLoad(state, wanted, (other) => this.#leases.livenessOf(other.id)),
    );
  }

  /** A committed load whose version is current needs nothing more: the loader ended between flip and answer. */
  async #resume(loadId: string): Promise<BeginLoadResponse> {
    const { state } = this.#leader.catalog;
    const load = state.load.get(loadId);
    const keyspace = load === undefined ? undefined : state.keyspace.get(load.keyspaceUid);
    if (load === undefined || keyspace === undefined) throw loadNotFound(loadId);
    const isCurrent = load.version === keyspace.desired.currentVersion;
    if (load.state === 'COMMITTED' && isCurrent) return this.#response(loadId, keyspace, true);
    // What was parsed for a load that ended otherwise is used again, by a new one.
    if (load.state !== 'RUNNING') throw loadNotFound(loadId);
    return this.#alive(await this.#leader.catalog.update((now) => resumeLoad(now, loadId)));
  }

  #alive({ load, keyspace }: BegunLoad): BeginLoadResponse {
    this.#leases.renew(load.id);
    return this.#response(load.id, keyspace, false);
  }

  #currentIfSame(request: BeginLoadRequest): KeyspaceRecord | undefined {
    const { state } = this.#leader.catalog;
    const keyspace = findKeyspace(state, request.keyspace);
    if (keyspace === undefined || !request.skipIfCurrent) return undefined;
    const current = state.version.get(versionId(keyspace.uid, keyspace.desired.currentVersion));
    const same = current?.inputFingerprint === request.inputFingerprint;
    // What an append left behind is more than its input.
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

  #response(loadId: string, keyspace: KeyspaceRecord, alreadyCurrent: boolean): BeginLoadResponse {
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

  /** The loader gives the load up, for now or for good. One that is over already stays what it is. */
  async abortLoad({ loadId, reason, resumable }: AbortLoadRequest): Promise<void> {
    const why = reason || 'the loader gave it up';
    if (resumable) await this.#interrupt(loadId, why);
    else await this.#end(loadId, 'FAILED', why);
  }

  async #interrupt(loadId: string, reason: string): Promise<void> {
    const end = { reason, progress: this.#leases.progressOf(loadId), nowIso: wallClockIso() };
    await this.#leader.catalog.update((state) => interruptLoad(state, loadId, end));
    this.#log.info({ load: loadId, reason }, 'a load is interrupted');
    this.#leader.turn();
  }

  /** Throws LOAD_NOT_FOUND, and CONFLICT for a load that is over. */
  async cancel(loadId: string, reason: string): Promise<LoadStatus> {
    this.get(loadId);
    const end = {
      reason: reason || 'cancelled by hand',
      progress: this.#leases.progressOf(loadId),
      nowIso: wallClockIso(),
    };
    const load = await this.#leader.catalog.update((state) => cancelLoad(state, loadId, end));
    this.#log.warn({ load: loadId, reason: end.reason }, 'a load is cancelled');
    this.#leases.end(loadId);
    // Nobody will take it up again: what it has sent may go at once.
    this.#leader.forgetLoad(load.keyspaceUid);
    this.#leader.turn();
    return this.get(loadId);
  }

  async #end(loadId: string, how: 'FAILED' | 'ABANDONED', reason: string): Promise<void> {
    const progress = this.#leases.progressOf(loadId);
    const end = { reason, progress, nowIso: wallClockIso() };
    const before = this.#leader.catalog.state.load.get(loadId);
    await this.#leader.catalog.update((state) => endLoad(state, loadId, how, end));
    this.#leases.end(loadId);
    // Nobody will take it up again: what it has sent may go at once.
    if (before?.state === 'RUNNING') this.#leader.forgetLoad(before.keyspaceUid);
    this.#leader.turn();
  }

  /** Ends loads that nobody has heard of for an hour. */
  async expire(): Promise<void> {
    const running = [...this.#leader.catalog.state.load.values()].filter(
      (load) => load.state === 'RUNNING',
    );
    this.#leases.keepOnly(new Set(running.map((load) => load.id)));
    for (const load of running) {
      if (this.#leases.silentMs(load.id) < ABANDONED_MS) continue;
      this.#log.warn({ load: load.id, source: load.source }, 'an abandoned load is ended');
      await this.#end(load.id, 'ABANDONED', 'it was silent for an hour');
    }
    const beforeIso = wallClockIsoIn(-ABANDONED_MS);
    const gone = await this.#leader.catalog.update((state) => removeGhosts(state, beforeIso));
    if (gone.length === 0) return;
    this.#log.info({ keyspaces: gone }, 'keyspaces without any version are removed');
    this.#leader.turn();
  }

  /** Running ones first, then the newest first; `keyspace` empty: of all. Throws KEYSPACE_NOT_FOUND. */
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

/** A newer loader may know modes that must not be taken for a replace. */
/** What the loader says of itself, cut to what a record may hold. */
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
    'The loader asks for a mode that this master does not know; use --mode replace or append, or a newer master.',
  );
}
