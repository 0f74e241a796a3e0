// What must hold at every moment of a simulation, whatever has failed. It sees everything: all
// disks, the durable catalog, every order that is obeyed and every answer that is given.
//
//   one value per (keyspace, version, key), ever             contents.ts
//   counts and digest of a version are those of its rows     contents.ts
//   an append adds and replaces, and nothing else            contents.ts
//   deltas that are merged stay as safe as they were         flips.ts
//   a version is visible only with its verified replicas     flips.ts, viewPublished
//   only a load that runs makes a version                    flips.ts
//   "not found" only from who holds the shard                answered
//   nothing is served before it verifies                     answered
//   epochs only rise; orders for other runs are not obeyed   called
//   a view goes out under the name of its own epoch          called
//   the last good copy of what is kept is never deleted      copyGone, died
//   an operator's word is written by operators alone         catalogChanges
//   replicas are on distinct nodes, in as many zones, and
//   on as many hosts, as there are; view revisions rise      placement.ts, viewPublished
//   a datanode that runs and is reached never misses a
//   heartbeat, also when its disk hangs or its master stood  dispatched
//   of several masters at most one leads, and the next
//   one knows all that was made                              leaders.ts
//   no part of a process fails but for an injected fault     cluster.ts (backgroundOf)
//
// The first violation is kept; nothing is thrown, because the caller is the product.

import type { Change, CatalogState } from '../../../master/catalog/catalog.ts';
import { isHeld } from '../../../master/catalog/queries.ts';
import { versionId } from '../../../master/catalog/records.ts';
import type { ControlEvent } from '../../../master/core/control-events.ts';
import type { World } from '../../../master/core/world/world.ts';
import type {
  ApplyViewRequest,
  HeartbeatResponse,
  OrderHeader,
  PutManifestRequest,
} from '../../../proto/gen/stele/v1/datanode.ts';
import { LookupStatus } from '../../../proto/gen/stele/v1/lookup.ts';
import type { ClusterView } from '../../../proto/gen/stele/v1/view.ts';
import type { LookupTargetRef } from '../../../proto/ports.ts';
import { shardOfSlot } from '../../../ring/shard.ts';
import { slotOfKey } from '../../../ring/slot.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { SimDatanode } from '../cluster/datanode.ts';
import { SHARDS } from '../cluster/segments.ts';
import type { SimProcess } from '../world/clock.ts';
import type { CallName, LookupAnswer } from '../world/links.ts';
import { DEEP_STORE_URL } from '../cluster/plane-watch.ts';
import { comesBack, notedAsArchived } from './archived.ts';
import { Contents } from './contents.ts';
import { judgeFlips } from './flips.ts';
import { LeaderJudge } from './leaders.ts';
import { misplaced } from './placement.ts';

/**
 * Orders of a master, which a node obeys also after a restart; what only says what to serve;
 * questions.
 */
const ORDERS: ReadonlySet<CallName> = new Set([
  'copySegments',
  'dropSegments',
  'measureDeltas',
  'mergeSegments',
  'restart',
]);
const SERVING: ReadonlySet<CallName> = new Set(['applyView', 'putManifest']);
/**
 * So long a node, its master and what is between them must have been well, for a miss to be without
 * a reason.
 */
const WELL_MS = 4_000;
/** A commit may count on a copy that has rotted so long ago: one fault more than it can know of. */
const ROTTEN_MS = 20_000;

const NOTHING: ReadonlySet<string> = new Set();

export class Judge {
  readonly contents: Contents;
  readonly leaders: LeaderJudge;
  /** What did not hold, the first; empty: all did. */
  violation = '';
  readonly reads = { OK: 0, NOT_FOUND: 0, UNAVAILABLE: 0 };
  /** To a loader. */
  readonly acknowledgements: { readonly uid: string; readonly version: number }[] = [];
  /** By load: the segments that it brings. */
  readonly loads = new Map<string, readonly string[]>();
  readonly #cluster: Cluster;
  /** By node: the highest epoch whose orders it has obeyed, in all its runs, and in this one. */
  readonly #epochs = new Map<string, { ever: number; now: number }>();
  /** `<uid>/<version>` of each version that was ever committed. */
  readonly #committed = new Set<string>();
  /** Those that a restored catalog knows nothing of. */
  readonly #lost = new Set<string>();
  #owners: World['owners'] = [];
  #lastView: Pick<ClusterView, 'epoch' | 'revision'> = { epoch: 0, revision: 0 };
  /** By node and segment. */
  readonly #rottedAtMs = new Map<string, number>();
  /** By process, and for all links (empty): when a fault was last seen there. */
  readonly #troubledAtMs = new Map<string, number>();

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    this.leaders = new LeaderJudge(cluster);
    this.contents = new Contents(cluster, (what) => this.fail(what));
  }

  fail(what: string): void {
    if (this.violation === '') this.violation = `${what} (at ${this.#cluster.clock.nowMs} ms)`;
  }

  // The catalog.

  /** Each transaction, when it is durable. */
  changed(changes: readonly Change[], before: CatalogState, after: CatalogState): void {
    for (const { id: ref, record, table } of changes) {
      if (table === 'version' && record !== undefined) this.#committed.add(ref);
      if (table === 'archived' && record !== undefined && this.#cluster.bucket !== undefined) {
        notedAsArchived(this.#cluster, this.#cluster.bucket, record, after);
      }
      if (table !== 'manifest' || record === undefined) continue;
      const ids = record.segments.map(({ id }) => id);
      this.contents.note(record.uid, record.version, ids, undefined);
    }
    judgeFlips(this.#cluster, changes, before, after);
  }

  catalogChanges(who: string, changes: readonly Change[]): void {
    for (const { id, record, table } of changes) {
      if (record === undefined) continue;
      const isWord = table === 'keyspace' || table === 'node';
      if (who === '' && isWord) this.fail(`a loop writes ${table} ${id}`);
      if (who !== '' && table === 'observed') {
        this.fail(`${who} writes what only loops observe of ${id}`);
      }
    }
  }

  loadBegun(loadId: string, segmentIds: readonly string[]): void {
    this.loads.set(loadId, segmentIds);
  }

  acknowledged(uid: string, version: number): void {
    this.acknowledgements.push({ uid, version });
  }

  /**
   * What was committed since the backup was made is lost, also if its loader hears of it only
   * later.
   */
  restored({ version }: CatalogState): void {
    const known: ReadonlySet<string> = new Set(version.keys());
    for (const ref of this.#committed) if (!known.has(ref)) this.#lost.add(ref);
  }

  /**
   * At the end: what was acknowledged is known, unless its keyspace was deleted or it was retired.
   */
  nothingLost(): void {
    const { keyspace, version } = this.#cluster.metadata.stored.catalog;
    for (const { uid, version: number } of this.acknowledgements) {
      if (this.#lost.has(`${uid}/${number}`)) continue;
      if (![...keyspace.keys()].some((known) => known === uid)) {
        if (!this.#cluster.dropped.has(uid))
          this.fail(`keyspace ${uid} is gone, and nobody dropped it`);
        continue;
      }
      const numbers = [...version.values()].filter((one) => one.uid === uid);
      if (Math.max(0, ...numbers.map((one) => one.number)) < number)
        this.fail(`version ${number} of ${uid} was acknowledged and is gone`);
    }
  }

  // The master.

  viewPublished(view: ClusterView, world: World): void {
    const last = this.#lastView;
    const isNewer =
      view.epoch > last.epoch || (view.epoch === last.epoch && view.revision >= last.revision);
    if (!isNewer)
      this.fail(`view ${view.epoch}/${view.revision} follows ${last.epoch}/${last.revision}`);
    this.#lastView = view;
    if (world.owners !== this.#owners) {
      this.#owners = world.owners;
      const what = misplaced(world);
      if (what !== '') this.fail(what);
    }
    const { version } = this.#cluster.metadata.stored.catalog;
    for (const { currentVersion, name, uid } of view.keyspaces) {
      if (currentVersion === 0) continue;
      if (version.get(versionId(uid, currentVersion))?.state !== 'COMMITTED')
        this.fail(`${name} shows version ${currentVersion}, which is not committed`);
    }
  }

  /** The network, the process, or what it stands on, is not well just now. */
  troubled(id: string): void {
    this.#troubledAtMs.set(id, this.#cluster.clock.nowMs);
  }

  dispatched(master: SimProcess, event: ControlEvent): void {
    if (event.kind !== 'missed') return;
    const { clock, datanodes, network, several } = this.#cluster;
    // Without its lease a master asks nobody.
    if (several !== undefined && !this.leaders.leads(master)) return;
    const node = datanodes.get(event.nodeId);
    if (node?.node === undefined || node.paused || !network.isWhole(master, node)) return;
    const wasWell = [node.id, ''].every(
      (id) => clock.nowMs - (this.#troubledAtMs.get(id) ?? 0) > WELL_MS,
    );
    if (wasWell) this.fail(`${node.id} runs, is reached, and is said to have missed a heartbeat`);
  }

  // Datanodes.

  /** A call has arrived; what is sent back is returned. */
  async called(
    node: SimDatanode,
    name: CallName,
    request: unknown,
    answer: Promise<unknown>,
  ): Promise<unknown> {
    const { life } = node;
    const before = { ...this.#epochOf(node.id) };
    const { header } = request as { header?: OrderHeader };
    const value = await answer;
    if (header === undefined || node.life !== life || !node.alive) return value;
    const isOrder = ORDERS.has(name);
    if (name === 'heartbeat') this.#heard(node.id, (value as HeartbeatResponse).epoch ?? 0, false);
    else if (isOrder || SERVING.has(name)) this.#obeyed(node, header, before, isOrder);
    if (name === 'applyView') this.#viewTaken(node, header, request as ApplyViewRequest);
    if (name === 'putManifest') {
      const { manifest } = request as PutManifestRequest;
      if (manifest === undefined) return value;
      const ids = manifest.segments.map(({ id }) => id);
      this.contents.note(manifest.keyspaceUid, manifest.version, ids, manifest);
    }
    return value;
  }

  #epochOf(nodeId: string): { ever: number; now: number } {
    const known = this.#epochs.get(nodeId) ?? { ever: 0, now: 0 };
    this.#epochs.set(nodeId, known);
    return known;
  }

  #heard(nodeId: string, epoch: number, isDurable: boolean): void {
    const known = this.#epochOf(nodeId);
    known.now = Math.max(known.now, epoch);
    if (isDurable) known.ever = Math.max(known.ever, epoch);
  }

  #obeyed(
    node: SimDatanode,
    { epoch, incarnation }: OrderHeader,
    before: { readonly ever: number; readonly now: number },
    isDurable: boolean,
  ): void {
    const highest = Math.max(before.ever, before.now);
    if (epoch < highest) this.fail(`${node.id} obeys epoch ${epoch} after epoch ${highest}`);
    const own = node.node?.identity.incarnation ?? '';
    if (incarnation !== own)
      this.fail(`${node.id} obeys an order for ${incarnation}, being ${own}`);
    this.#heard(node.id, epoch, isDurable);
  }

  #viewTaken({ id }: SimDatanode, header: OrderHeader, { view }: ApplyViewRequest): void {
    if (view === undefined) return;
    if (view.epoch === header.epoch && view.term === header.term) return;
    this.fail(`${id} is given a view of epoch ${view.epoch} in the name of epoch ${header.epoch}`);
  }

  died({ id }: SimDatanode): void {
    this.#epochOf(id).now = 0;
    for (const name of this.needed()) this.copyGone(name, `${id} died`);
  }

  answered(
    node: SimDatanode,
    { keyspaceUid, version }: LookupTargetRef,
    key: Uint8Array,
    { status, value }: LookupAnswer,
  ): void {
    if (keyspaceUid === '') return;
    const text = Buffer.from(key).toString();
    const shard = shardOfSlot(slotOfKey(key, 0, key.length), SHARDS);
    const wanted = this.contents.valueOf(keyspaceUid, version, shard, text);
    const where = `'${text}' of ${keyspaceUid}/${version}, shard ${shard}`;
    if (status === LookupStatus.NOT_FOUND) {
      this.reads.NOT_FOUND++;
      if (wanted !== undefined) this.fail(`${node.id} says "not found" for ${where}`);
    } else if (status === LookupStatus.OK) {
      this.reads.OK++;
      const got = value.toString();
      if (got !== wanted) this.fail(`${node.id} answers '${got}' for ${where}`);
    } else {
      this.reads.UNAVAILABLE++;
    }
  }

  // Disks.

  /** Names of segments that a version in the durable catalog needs, or in another one. */
  needed({ keyspace, manifest, version } = this.#cluster.metadata.stored.catalog): Set<string> {
    const names = new Set<string>();
    for (const [ref, record] of version) {
      if (!isHeld(record) || keyspace.get(record.uid)?.state === 'DELETING') continue;
      for (const { id } of manifest.get(ref)?.segments ?? []) names.add(`${record.uid} ${id}`);
    }
    return names;
  }

  /** On disks, whole and durable, of living and of dead nodes. */
  goodCopies(name: string): number {
    return [...this.#cluster.datanodes.values()].filter((node) => this.isDurableOn(node, name))
      .length;
  }

  isDurableOn(node: SimDatanode, name: string): boolean {
    const file = node.segmentFile(name);
    if (file === undefined || file.durable !== file.bytes) return false;
    return this.#cluster.book.isIntact(name, file.bytes);
  }

  /** A file that was whole and durable is so no more. */
  rotted({ id }: SimDatanode, name: string): void {
    this.#rottedAtMs.set(`${id} ${name}`, this.#cluster.clock.nowMs);
  }

  /**
   * Whether the node's copy may be counted on: it is there, or has rotted of late, and is being
   * seen to.
   */
  isCountedOn(node: SimDatanode, name: string): boolean {
    const rottedAtMs = this.#rottedAtMs.get(`${node.id} ${name}`) ?? Number.NEGATIVE_INFINITY;
    return this.isDurableOn(node, name) || this.#cluster.clock.nowMs - rottedAtMs < ROTTEN_MS;
  }

  /** Segments that the deep store brings back. */
  comesBack(): ReadonlySet<string> {
    const { bucket, metadata } = this.#cluster;
    return bucket === undefined ? NOTHING : comesBack(metadata.stored.catalog, DEEP_STORE_URL);
  }

  copyGone(name: string, how: string): void {
    if (this.violation !== '' || !this.needed().has(name)) return;
    if (this.goodCopies(name) === 0 && !this.comesBack().has(name))
      this.fail(`the last good copy of ${name} is gone: ${how}`);
  }
}
