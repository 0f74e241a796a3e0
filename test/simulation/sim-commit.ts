// One commit on a simulated master, as master/loads/commit.ts, step by step: the content, a number set aside for it,
// the manifest to all nodes, the checks, the flip. What is transition or check is the real one.

import { reserveVersion, settleLoad } from '../../master/catalog/commit-transitions.ts';
import type { CommitContent } from '../../master/catalog/commit-transitions.ts';
import type { CatalogState, Transition } from '../../master/catalog/catalog.ts';
import { requireRunning } from '../../master/catalog/load-transitions.ts';
import type { BegunLoad } from '../../master/catalog/load-transitions.ts';
import { revisionOf } from '../../master/catalog/queries.ts';
import { manifestMessage, versionId } from '../../master/catalog/records.ts';
import type { VersionRecord } from '../../master/catalog/records.ts';
import { addTotals } from '../../master/catalog/totals.ts';
import { checkHeld, checkReplicas, contentFingerprint } from '../../master/loads/commit-check.ts';
import { eligibleNodes } from '../../master/core/world.ts';
import { LoadMode } from '../../proto/gen/stele/v1/load.ts';
import type { Manifest, SegmentInfo } from '../../proto/gen/stele/v1/segment.ts';
import { gateFor } from '../../proto/load-gate.ts';
import { appendContent, attempt } from './sim-appends.ts';
import type { LoadContent } from './sim-appends.ts';
import type { Answer } from './sim-network.ts';
import { recordOfId, SHARDS } from './sim-segment.ts';
import type { SimWorld } from './sim-world.ts';

type Held = ReadonlyMap<string, readonly SegmentInfo[]>;

export class SimCommit {
  readonly #sim: SimWorld;
  readonly #loadId: string;
  readonly #segmentIds: readonly string[];
  readonly #answer: (version: Answer<number>) => void;

  constructor(
    sim: SimWorld,
    loadId: string,
    segmentIds: readonly string[],
    answer: (version: Answer<number>) => void,
  ) {
    this.#sim = sim;
    this.#loadId = loadId;
    this.#segmentIds = segmentIds;
    this.#answer = answer;
  }

  run(): void {
    const begun = attempt(() => requireRunning(this.#sim.master.durable, this.#loadId));
    if (!begun.ok) return this.#answer(begun);
    const { load } = begun.value;
    const own = this.#segmentIds.map(recordOfId);
    const replicas = this.#replicasWanted(begun.value);
    const next = (content: Answer<LoadContent>): void =>
      content.ok ? this.#reserve(begun.value, content.value, replicas) : this.#answer(content);
    if (load.mode !== 'APPEND') {
      return next({ ok: true, value: { segments: own, ...addTotals(own) } });
    }
    const { base = 0, keyspaceUid: uid } = load;
    appendContent(this.#sim, { uid, base, deltas: own, replicas }, next);
  }

  #replicasWanted({ keyspace }: BegunLoad): number {
    const { world } = this.#sim.master.state;
    const replication = keyspace.desired.replication || world.replication;
    return Math.max(1, Math.min(replication, eligibleNodes(world).length));
  }

  #reserve(begun: BegunLoad, whole: LoadContent, replicas: number): void {
    const fingerprint = contentFingerprint(whole.segments);
    this.#sim.master.update(
      'load',
      (state) => reserveVersion(state, this.#loadId, fingerprint, ''),
      (reserved) => {
        if (!reserved.ok) return this.#answer(reserved);
        const content = { version: reserved.value, fingerprint, ...whole, nowIso: '' };
        const manifest = manifestOf(this.#sim.master.durable, begun, content);
        this.#giveManifests(manifest, (held) => this.#settle(begun, content, held, replicas));
      },
    );
  }

  #giveManifests(manifest: Manifest, done: (held: Held) => void): void {
    const { datanodes, master } = this.#sim;
    const held = new Map<string, readonly SegmentInfo[]>();
    const serving = [...master.state.nodes.values()].flatMap(({ id, liveness }) => {
      const node = liveness === 'SERVING' ? datanodes.get(id) : undefined;
      return node === undefined ? [] : [node];
    });
    let left = serving.length;
    if (left === 0) return done(held);
    for (const node of serving) {
      master.putManifest(node, manifest, (segments) => {
        if (segments !== undefined) held.set(node.id, segments);
        if (--left === 0) done(held);
      });
    }
  }

  #settle(
    { keyspace: { uid } }: BegunLoad,
    content: CommitContent,
    held: Held,
    replicas: number,
  ): void {
    const { judge, master } = this.#sim;
    const checked = attempt(() => this.#check(content, held, replicas));
    if (!checked.ok) return this.#answer(checked);
    const segmentIds = content.segments.map(({ id }) => id);
    master.update(
      'load',
      (state) => {
        const before = state.keyspace.get(uid)?.desired.currentVersion ?? 0;
        const transition = this.#flip(state, uid, content, before);
        judge.committed(uid, segmentIds, replicas);
        const { append } = content.appended ?? {};
        if (append !== undefined) {
          judge.appended(uid, content.version, before, this.#segmentIds, append);
        }
        return transition;
      },
      (settled) => {
        if (!settled.ok) return this.#answer(settled);
        this.#answer({ ok: true, value: content.version });
      },
    );
  }

  #check({ segments }: CommitContent, held: Held, replicas: number): void {
    if (this.#sim.has('swap-early')) return;
    checkHeld(segments, held);
    const ids = [...held].map(
      ([id, infos]) => [id, new Set(infos.map((info) => info.id))] as const,
    );
    checkReplicas(segments, new Map(ids), replicas);
  }

  #flip(
    state: CatalogState,
    uid: string,
    content: CommitContent,
    currentVersion: number,
  ): Transition<VersionRecord> {
    const mode = content.appended === undefined ? LoadMode.REPLACE : LoadMode.APPEND;
    const gate = { ...gateFor(undefined, mode), maxShrink: 1 };
    const copies = { least: 1, wanted: 1 };
    const terms = { gate, keys: [], keep: 0, progress: undefined, copies };
    if (content.appended === undefined || !this.#sim.has('append-to-other')) {
      return settleLoad(state, this.#loadId, content, terms);
    }
    const baseRevision = state.manifest.get(versionId(uid, currentVersion))?.revision ?? 0;
    const append = { ...content.appended.append, base: currentVersion };
    const appended = { ...content.appended, append, baseRevision };
    return settleLoad(state, this.#loadId, { ...content, appended }, terms);
  }
}

function manifestOf(
  state: CatalogState,
  { keyspace }: BegunLoad,
  content: CommitContent,
): Manifest {
  const { appended, segments, version } = content;
  const { overwritten = {} } = appended ?? {};
  const record = { uid: keyspace.uid, version, segments, overwritten };
  const about = { revision: revisionOf(state, undefined), shardCount: SHARDS };
  return manifestMessage(keyspace, { ...content, number: version }, record, about);
}
