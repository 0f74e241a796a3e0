// The commit of a load: from "all segments are pushed" to "the new version is current", or to "it
// is kept as rejected, for this reason".
//
//   1. the counts and digests of the segments add up                      (commit-check.ts)
//   2. an append, or a restore of a version with deltas: the datanodes
//      count what the deltas change                                       (append-content.ts)
//   3. a version number is reserved for exactly this content              (durable)
//   4. every serving node gets the manifest and reports what it holds
//   5. the reports agree with the load, and each shard is on enough nodes
//      with --archive wait, all segments are written into the deep store
//   6. the keys that the load requires are looked up in this version      (gate-keys.ts)
//   7. the version becomes current, or the gate rejects it: one transaction  (durable)
//   8. the view goes out; the answer waits briefly until the nodes have it
//
// Each step can be repeated. If the master dies before 7, nothing has become visible, and the
// loader's next attempt starts at 1 and gets the same version number. While a commit is in
// progress, no deltas of its keyspace are merged in the catalog (Leader.committing).
//
// Invariant: before 7 nobody reads the version; after 7 every node with its segments can serve it.

import type { KeyspaceUid } from '../../base/ids.ts';
import { wallClockIso } from '../../base/clock.ts';
import { SteleError, toSteleError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { LoadMode } from '../../proto/gen/stele/v1/load.ts';
import type { CommitLoadRequest, CommitLoadResponse } from '../../proto/gen/stele/v1/load.ts';
import type { Manifest, SegmentInfo } from '../../proto/gen/stele/v1/segment.ts';
import { gateFor } from '../../proto/load-gate.ts';
import { appendContent, wholeContent } from './append-content.ts';
import { reserveVersion, settleLoad } from '../catalog/commit-transitions.ts';
import type { CommitContent } from '../catalog/commit-transitions.ts';
import { requireRunning } from '../catalog/load-transitions.ts';
import type { BegunLoad } from '../catalog/load-transitions.ts';
import { clusterOf, revisionOf } from '../catalog/queries.ts';
import { appendMessage, manifestMessage } from '../catalog/messages.ts';
import { versionId } from '../catalog/records.ts';
import type {
  KeyspaceRecord,
  LoadRecord,
  SegmentRecord,
  VersionRecord,
} from '../catalog/records.ts';
import {
  checkChains,
  checkHeld,
  checkReplicas,
  checkSegments,
  checkTotals,
  contentFingerprint,
  leastReplicas,
} from './commit-check.ts';
import { eligibleNodes } from '../core/world/world.ts';
import { findKeys } from './gate-keys.ts';
import { requireArchiving } from '../control/archiving/archiving.ts';
import type { Leader } from '../control/leader.ts';
import { requireTaken } from '../control/nodes/node-sync.ts';
import type { LoadLeases } from './load-leases.ts';

/** A node verifies nothing for a manifest; it looks up its segments. */
const MANIFEST_DEADLINE_MS = 10_000;
/** The largest number that a restore may ask for. */
const VERSION_WANTED_MAX = 1e12;

export class Committer {
  readonly #leader: Leader;
  readonly #leases: LoadLeases;
  readonly #log: Logger;
  readonly #committing = new Map<string, Promise<CommitLoadResponse>>();

  constructor(leader: Leader, leases: LoadLeases, log: Logger) {
    this.#leader = leader;
    this.#leases = leases;
    this.#log = log;
  }

  /**
   * Can be repeated: a commit that is done or in progress returns the same answer. Throws
   * GATE_FAILED, LOAD_REJECTED, LOAD_NOT_FOUND, REPLICAS_MISSING, and UNAVAILABLE if a required key
   * cannot be looked up.
   */
  async commit(request: CommitLoadRequest): Promise<CommitLoadResponse> {
    const running = this.#committing.get(request.loadId);
    if (running !== undefined) return running;
    const uid = this.#leader.catalog.state.load.get(request.loadId)?.keyspaceUid ?? '';
    this.#leader.committing.set(request.loadId, uid);
    const commit = this.#commit(request);
    this.#committing.set(request.loadId, commit);
    try {
      return await commit;
    } finally {
      this.#committing.delete(request.loadId);
      this.#leader.committing.delete(request.loadId);
    }
  }

  async #commit(request: CommitLoadRequest): Promise<CommitLoadResponse> {
    const { catalog } = this.#leader;
    const done = this.#settledBefore(catalog.state.load.get(request.loadId));
    if (done !== undefined) return done;
    const begun = requireRunning(catalog.state, request.loadId);
    const { keyspace, load } = begun;
    const gate = gateFor(request.gate, modeOf(load));
    this.#leases.renew(load.id);

    const content = await this.#prepare(request, begun);
    const manifest = this.#manifest(keyspace, content);
    const heldByNode = await this.#putManifests(manifest);
    checkHeld(content.segments, heldByNode);
    const holders = idsByNode(heldByNode);
    checkReplicas(content.segments, holders, this.#replicasWanted(request, load, keyspace));
    if (request.archiveFirst === true) await this.#archive(load, content);
    const wanted = keyspace.desired.replication || this.#leader.world.replication;
    const least = Math.min(wanted, leastReplicas(content.segments, holders));
    const copies = { least, wanted };
    const keys = await findKeys(gate.requireKeys, manifest, holders, (nodeId) =>
      this.#leader.roster.connections.getClient(nodeId),
    );
    const progress = this.#leases.progressOf(load.id);
    const { inputFingerprint, keep } = request;
    const version = await catalog.update((state) =>
      settleLoad(state, load.id, content, { gate, keys, keep, progress, copies, inputFingerprint }),
    );
    return this.#settled(load, keyspace, version);
  }

  async #archive({ id, keyspaceUid }: LoadRecord, { segments }: CommitContent): Promise<void> {
    await requireArchiving(this.#leader).upload(keyspaceUid, segments, () =>
      this.#leases.renew(id),
    );
  }

  /** Steps 1 to 3. */
  async #prepare(request: CommitLoadRequest, begun: BegunLoad): Promise<CommitContent> {
    const { catalog } = this.#leader;
    const check = request.isWhole === true ? checkChains : checkSegments;
    const own = check(request, clusterOf(catalog.state).shardCount);
    const whole = await this.#whole(request, begun, own);
    const fingerprint = contentFingerprint(whole.segments);
    const nowIso = wallClockIso(this.#leader.env);
    const wanted = wantedVersion(request);
    const version = await catalog.update((state) =>
      reserveVersion(state, begun.load.id, fingerprint, nowIso, wanted),
    );
    return { version, fingerprint, ...whole, nowIso: wallClockIso(this.#leader.env) };
  }

  /**
   * The content of the version: the load's own segments; for an append, combined with those of its
   * base.
   */
  async #whole(
    request: CommitLoadRequest,
    { keyspace, load }: BegunLoad,
    own: readonly SegmentRecord[],
  ): Promise<Omit<CommitContent, 'version' | 'fingerprint' | 'nowIso'>> {
    if (request.isWhole === true) {
      requireReplace(load);
      const replicas = this.#replicasWanted(request, load, keyspace);
      const whole = await wholeContent(this.#leader, this.#log, keyspace, own, replicas);
      checkTotals(request, whole);
      return whole;
    }
    if (load.mode !== 'APPEND') {
      const { digest, keyBytes, records, valueBytes } = request;
      return { segments: own, records, keyBytes, valueBytes, digest: digest.toString('hex') };
    }
    const replicas = this.#replicasWanted(request, load, keyspace);
    return appendContent(this.#leader, this.#log, keyspace, load.base ?? 0, own, replicas);
  }

  async #settled(
    load: LoadRecord,
    keyspace: KeyspaceRecord,
    version: VersionRecord,
  ): Promise<CommitLoadResponse> {
    this.#leases.end(load.id);
    const { number, rejection } = version;
    const tookMs = Date.parse(version.committedAt) - Date.parse(load.startedAt);
    const of = { load: load.id, keyspace: keyspace.name, version: number };
    const about = { ...of, ...version.copies, tookMs };
    if (rejection === undefined) this.#log.info(about, 'a version is current');
    else this.#log.warn({ ...about, rejection }, 'a version did not pass its gate');
    this.#leader.turn();
    if (rejection !== undefined) throw this.#gateFailed(keyspace.uid, number, rejection);
    await this.#leader.waitApplied();
    return answerOf(version);
  }

  /** The answer to a commit that was settled before. */
  #settledBefore(load: LoadRecord | undefined): CommitLoadResponse | undefined {
    if (load?.version === undefined) return undefined;
    if (load.state === 'REJECTED') {
      throw this.#gateFailed(load.keyspaceUid, load.version, load.reason ?? 'it was rejected');
    }
    if (load.state !== 'COMMITTED') return undefined;
    const version = this.#leader.catalog.state.version.get(
      versionId(load.keyspaceUid, load.version),
    );
    return version === undefined
      ? {
          version: load.version,
          records: load.records ?? 0,
          digest: Buffer.from(load.digest ?? '', 'hex'),
          append: undefined,
        }
      : answerOf(version);
  }

  #gateFailed(uid: KeyspaceUid, version: number, rejection: string): SteleError {
    const keyspace = this.#leader.catalog.state.keyspace.get(uid);
    const name = keyspace?.name ?? uid;
    const current = keyspace?.desired.currentVersion ?? 0;
    const still = current === 0 ? 'nothing can be read yet' : `version ${current} is still read`;
    return new SteleError(
      'GATE_FAILED',
      `Version ${version} of keyspace '${name}' did not go live: ${rejection}. It is kept as rejected, and ${still}; ` +
        `\`stele versions ${name}\` shows it, \`stele promote ${name} ${version}\` makes it current as it is, or fix the input or the limits and load again.`,
    );
  }

  /** The requested number; otherwise the replication factor, capped by the number of nodes. */
  #replicasWanted(request: CommitLoadRequest, load: LoadRecord, keyspace: KeyspaceRecord): number {
    const asked = request.minReplicas || load.minReplicas;
    if (asked > 0) return asked;
    const { world } = this.#leader;
    const replication = keyspace.desired.replication || world.replication;
    return Math.max(1, Math.min(replication, eligibleNodes(world).length));
  }

  #manifest(keyspace: KeyspaceRecord, content: CommitContent): Manifest {
    const { overwritten = {}, segments, version } = content;
    const record = { uid: keyspace.uid, version, segments, overwritten };
    const { state } = this.#leader.catalog;
    const { shardCount } = clusterOf(state);
    const about = { revision: revisionOf(state, undefined), shardCount };
    return manifestMessage(keyspace, { ...content, number: version }, record, about);
  }

  /**
   * Sends the manifest to all nodes at once. A node that does not answer in time confirms nothing.
   */
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
    const answer = await link.putManifest(
      { header, manifest },
      { deadlineMs: MANIFEST_DEADLINE_MS },
    );
    requireTaken(nodeId, manifest, answer);
    const { held, heldSegmentIds: segmentIds, holdingsRevision } = answer;
    const { incarnation } = header;
    const about = { nodeId, incarnation, manifest, segmentIds, holdingsRevision };
    this.#leader.dispatch({ kind: 'manifest-held', ...about });
    return held;
  }
}

/** Throws INVALID_ARGUMENT for a number after which there would soon be no more. */
function wantedVersion({ isWhole, version = 1 }: CommitLoadRequest): number {
  if (version >= 1 && version <= (isWhole === true ? VERSION_WANTED_MAX : 1)) return version;
  throw new SteleError('INVALID_ARGUMENT', `A version cannot get the number ${version}.`);
}

function requireReplace({ mode }: LoadRecord): void {
  if (mode !== 'APPEND') return;
  throw new SteleError('INVALID_ARGUMENT', 'A whole version cannot be appended.');
}

function modeOf(load: LoadRecord): LoadMode {
  return load.mode === 'APPEND' ? LoadMode.APPEND : LoadMode.REPLACE;
}

function answerOf({ append, copies, digest, number, records }: VersionRecord): CommitLoadResponse {
  return {
    version: number,
    records,
    digest: Buffer.from(digest, 'hex'),
    append: append && appendMessage(append),
    ...(copies && { replicas: copies.least, replication: copies.wanted }),
  };
}

function idsByNode(
  heldByNode: ReadonlyMap<string, readonly SegmentInfo[]>,
): Map<string, ReadonlySet<string>> {
  return new Map(
    [...heldByNode].map(([nodeId, held]) => [nodeId, new Set(held.map(({ id }) => id))]),
  );
}
