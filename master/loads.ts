// Bulk loads as the master sees them: begin, progress, commit, abort. Segment bytes never come
// here; they go from the loader to the datanodes, and the commit asks the datanodes what they hold.
//
// The commit, in this order, each step repeatable:
//
//   1. the counts and digests of the segments add up                      (commit-check.ts)
//   2. a version number is set aside for exactly this content             (durable)
//   3. every node that serves is given the manifest and says what it holds
//   4. each segment is on enough of them
//   5. THE FLIP: version, manifest and current version in one transaction (durable)
//   6. the view goes out; the answer waits, a little, until the nodes have it
//
// Invariant: before 5 nobody reads the version, after 5 every node with its segments can serve it.

import { wallClockIso } from '../base/clock.ts';
import { SteleError, toSteleError } from '../base/errors.ts';
import { keyspaceName, randomId } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import { LoadMode } from '../proto/gen/stele/v1/load.ts';
import type {
  AbortLoadRequest,
  BeginLoadRequest,
  BeginLoadResponse,
  CommitLoadRequest,
  CommitLoadResponse,
  LoadTargets,
  ReportProgressRequest,
  ReportProgressResponse,
} from '../proto/gen/stele/v1/load.ts';
import type { Manifest, SegmentInfo } from '../proto/gen/stele/v1/segment.ts';
import {
  abortLoad,
  beginLoad,
  commitLoad,
  loadNotFound,
  requireRunning,
  reserveVersion,
} from './catalog/load-transitions.ts';
import type { BegunLoad, CommitContent } from './catalog/load-transitions.ts';
import { clusterOf, findKeyspace } from './catalog/queries.ts';
import { manifestMessage, versionId } from './catalog/records.ts';
import type { KeyspaceRecord, LoadRecord } from './catalog/records.ts';
import { checkHeld, checkReplicas, checkSegments, contentFingerprint } from './commit-check.ts';
import { nodeView } from './core/routes.ts';
import { eligibleNodes } from './core/world.ts';
import type { Leader } from './leader.ts';
import { LoadLeases, PROGRESS_INTERVAL_MS } from './load-leases.ts';

/** A node verifies nothing for a manifest: it looks its segments up. */
const MANIFEST_DEADLINE_MS = 10_000;
const APPLIED_WAIT_MS = 2_000;
/** A load that was silent for this long is ended for good: it keeps old versions from going. */
const ABANDONED_MS = 3_600_000;

export class Loads {
  readonly #leader: Leader;
  readonly #leases: LoadLeases;
  readonly #log: Logger;
  readonly #committing = new Map<string, Promise<CommitLoadResponse>>();

  constructor(leader: Leader, log: Logger) {
    const running = [...leader.catalog.state.load.values()].filter(
      (load) => load.state === 'RUNNING',
    );
    this.#leader = leader;
    this.#log = log;
    this.#leases = new LoadLeases(
      () => leader.nowMs(),
      running.map((load) => load.id),
    );
  }

  async beginLoad(request: BeginLoadRequest): Promise<BeginLoadResponse> {
    if (request.mode === LoadMode.APPEND) {
      throw new SteleError('UNSUPPORTED', 'append is not supported yet; use --mode replace.');
    }
    keyspaceName(request.keyspace);
    if (request.loadId !== '') return this.#resume(request.loadId);
    const current = this.#currentIfSame(request);
    if (current !== undefined) return this.#response('', current, true);
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
      source: request.source,
      inputFingerprint: request.inputFingerprint,
      minReplicas: request.minReplicas,
      nowIso: wallClockIso(),
    };
    return this.#leader.catalog.update((state) =>
      beginLoad(
        state,
        wanted,
        (other) => this.#leases.hasEnded(other.id),
        (other) => this.#leases.describe(other.id),
      ),
    );
  }

  /** A committed load is answered as current: the loader ended between the flip and its answer. */
  #resume(loadId: string): BeginLoadResponse {
    const { state } = this.#leader.catalog;
    const load = state.load.get(loadId);
    const keyspace = load === undefined ? undefined : state.keyspace.get(load.keyspaceUid);
    if (load === undefined || keyspace === undefined || load.state === 'ABORTED') {
      throw loadNotFound(loadId);
    }
    if (load.state === 'COMMITTED') return this.#response(loadId, keyspace, true);
    return this.#alive(requireRunning(state, loadId));
  }

  #alive({ load, keyspace }: BegunLoad): BeginLoadResponse {
    this.#leases.renew(load.id);
    this.#leader.touchLoad(keyspace.uid);
    return this.#response(load.id, keyspace, false);
  }

  #currentIfSame(request: BeginLoadRequest): KeyspaceRecord | undefined {
    const { state } = this.#leader.catalog;
    const keyspace = findKeyspace(state, request.keyspace);
    if (keyspace === undefined || !request.skipIfCurrent) return undefined;
    const current = state.version.get(versionId(keyspace.uid, keyspace.desired.currentVersion));
    const same = current?.inputFingerprint === request.inputFingerprint;
    return same && request.inputFingerprint !== '' ? keyspace : undefined;
  }

  #requireServing(): void {
    if (this.#targets(this.#leader.world.replication).nodes.length > 0) return;
    throw new SteleError(
      'UNAVAILABLE',
      'No datanode serves yet, so there is nowhere to load to; start datanodes and try again.',
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

  /** The owners that can take data now. */
  #targets(replication: number): LoadTargets {
    const { world } = this.#leader;
    const nodes = [...world.nodes.values()].filter(
      (node) => node.liveness === 'SERVING' && !world.draining.has(node.id),
    );
    const indexById = new Map(nodes.map((node, index) => [node.id, index]));
    return {
      nodes: nodes.map((node) => nodeView(world, node)),
      owners: world.owners.map((owners) => ({
        nodes: owners.slice(0, replication).flatMap((id) => indexById.get(id) ?? []),
      })),
    };
  }

  reportProgress(request: ReportProgressRequest): ReportProgressResponse {
    const { state } = this.#leader.catalog;
    const load = state.load.get(request.loadId);
    if (load === undefined) throw loadNotFound(request.loadId);
    const keyspace = state.keyspace.get(load.keyspaceUid);
    const replication =
      keyspace === undefined ? this.#leader.world.replication : this.#replicationOf(keyspace);
    const cancelled = load.state === 'ABORTED';
    if (load.state === 'RUNNING') {
      this.#leases.renew(load.id, request);
      this.#leader.touchLoad(load.keyspaceUid);
    }
    return { cancelled, targets: this.#targets(replication) };
  }

  async abortLoad(request: AbortLoadRequest): Promise<void> {
    const reason = request.reason || 'stopped';
    await this.#leader.catalog.update((state) => abortLoad(state, request.loadId, reason));
    this.#leases.end(request.loadId);
    this.#leader.turn();
  }

  /** Ends loads that nobody has heard of for an hour. */
  async expire(): Promise<void> {
    for (const load of this.#leader.catalog.state.load.values()) {
      if (load.state !== 'RUNNING' || this.#leases.silentMs(load.id) < ABANDONED_MS) continue;
      this.#log.warn({ load: load.id, source: load.source }, 'an abandoned load is ended');
      await this.abortLoad({ loadId: load.id, reason: 'it was silent for an hour' });
    }
  }

  /** Repeatable: a commit that was made, or is being made, gets the same answer. */
  async commitLoad(request: CommitLoadRequest): Promise<CommitLoadResponse> {
    const running = this.#committing.get(request.loadId);
    if (running !== undefined) return running;
    const commit = this.#commit(request);
    this.#committing.set(request.loadId, commit);
    try {
      return await commit;
    } finally {
      this.#committing.delete(request.loadId);
    }
  }

  async #commit(request: CommitLoadRequest): Promise<CommitLoadResponse> {
    const { catalog } = this.#leader;
    const done = this.#committed(catalog.state.load.get(request.loadId));
    if (done !== undefined) return done;
    const { load, keyspace } = requireRunning(catalog.state, request.loadId);
    this.#leases.renew(load.id);
    this.#leader.touchLoad(keyspace.uid);

    const segments = checkSegments(request, clusterOf(catalog.state).shardCount);
    const fingerprint = contentFingerprint(segments);
    const version = await catalog.update((state) =>
      reserveVersion(state, load.id, fingerprint, wallClockIso()),
    );
    const content: CommitContent = {
      version,
      fingerprint,
      segments,
      records: request.records,
      keyBytes: request.keyBytes,
      valueBytes: request.valueBytes,
      digest: request.digest.toString('hex'),
      nowIso: wallClockIso(),
    };
    const heldByNode = await this.#putManifests(this.#manifest(keyspace, content));
    checkHeld(segments, heldByNode);
    checkReplicas(segments, idsByNode(heldByNode), this.#replicasWanted(request, load, keyspace));
    await catalog.update((state) => commitLoad(state, load.id, content));
    this.#leases.end(load.id);
    this.#leader.touchLoad(keyspace.uid);
    this.#log.info({ load: load.id, keyspace: keyspace.name, version }, 'a version is current');
    this.#leader.turn();
    await this.#leader.waitApplied(APPLIED_WAIT_MS);
    return { version, records: content.records, digest: request.digest };
  }

  /** The answer to a commit that was made before. */
  #committed(load: LoadRecord | undefined): CommitLoadResponse | undefined {
    if (load?.state !== 'COMMITTED' || load.version === undefined) return undefined;
    const id = versionId(load.keyspaceUid, load.version);
    const version = this.#leader.catalog.state.version.get(id);
    return {
      version: load.version,
      records: version?.records ?? 0,
      digest: Buffer.from(version?.digest ?? '', 'hex'),
    };
  }

  /** As asked for; otherwise the replication factor as far as there are nodes for it. */
  #replicasWanted(request: CommitLoadRequest, load: LoadRecord, keyspace: KeyspaceRecord): number {
    const asked = request.minReplicas || load.minReplicas;
    if (asked > 0) return asked;
    const nodes = eligibleNodes(this.#leader.world).length;
    return Math.max(1, Math.min(this.#replicationOf(keyspace), nodes));
  }

  #manifest(keyspace: KeyspaceRecord, content: CommitContent): Manifest {
    const { version, segments } = content;
    const record = { uid: keyspace.uid, version, segments };
    const { shardCount } = clusterOf(this.#leader.catalog.state);
    return manifestMessage(keyspace, { ...content, number: version }, record, shardCount);
  }

  /** Asks all nodes at once; one that does not answer in time confirms nothing. */
  async #putManifests(manifest: Manifest): Promise<Map<string, readonly SegmentInfo[]>> {
    const held = new Map<string, readonly SegmentInfo[]>();
    const clients = this.#leader.roster.connections.getClients();
    const serving = [...clients.keys()].filter(
      (nodeId) => this.#leader.roster.get(nodeId)?.liveness === 'SERVING',
    );
    const results = await Promise.allSettled(
      serving.map(async (nodeId) => held.set(nodeId, await this.#putManifest(nodeId, manifest))),
    );
    results.forEach((result, index) => {
      if (result.status === 'fulfilled') return;
      const err = toSteleError(result.reason);
      this.#log.warn({ node: serving[index], err }, 'a datanode did not take the manifest');
    });
    return held;
  }

  async #putManifest(nodeId: string, manifest: Manifest): Promise<readonly SegmentInfo[]> {
    const { roster } = this.#leader;
    const header = this.#leader.header(nodeId);
    const link = roster.connections.requireClient(nodeId);
    const { held, heldSegmentIds } = await link.putManifest(
      { header, manifest },
      { deadlineMs: MANIFEST_DEADLINE_MS },
    );
    roster.onManifestHeld(nodeId, header.incarnation, manifest, heldSegmentIds);
    return held;
  }
}

function idsByNode(
  heldByNode: ReadonlyMap<string, readonly SegmentInfo[]>,
): Map<string, ReadonlySet<string>> {
  return new Map(
    [...heldByNode].map(([nodeId, held]) => [nodeId, new Set(held.map(({ id }) => id))]),
  );
}
