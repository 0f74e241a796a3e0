// What must hold at every moment of a simulation, whatever has failed. It sees everything: all disks,
// the durable catalog, every order that is obeyed and every answer that is given.
//
//   one value per (keyspace, version, key), ever       manifestGiven, answered
//   counts and digest of a version are those of its rows     manifestGiven
//   an append adds and replaces, and nothing else            appended
//   deltas that are merged stay as safe as they were         merged
//   "not found" only from who holds the shard          answered
//   nothing is served before it verifies               answered
//   epochs only rise; orders for other runs are not obeyed   orderObeyed
//   the last good copy of what is kept is never deleted      copyGone, crashed
//   a version is visible only with its verified replicas     committed, turnTaken
//   an operator's word is written by operators alone         catalogChanges
//   replicas are on distinct nodes, in as many zones, and
//   on as many hosts, as there are; view revisions rise      turnTaken

import type { CatalogState, Change } from '../../master/catalog/catalog.ts';
import { isHeld } from '../../master/catalog/queries.ts';
import type { AppendRecord } from '../../master/catalog/records.ts';
import { addTotals, isSameTotals, totalsRecord } from '../../master/catalog/totals.ts';
import type { TotalsRecord } from '../../master/catalog/totals.ts';
import type { Merge } from '../../master/core/merge.ts';
import { eligibleNodes, ownersOf } from '../../master/core/world.ts';
import type { World } from '../../master/core/world.ts';
import type { Manifest } from '../../proto/gen/stele/v1/segment.ts';
import type { OrderHeader } from '../../proto/gen/stele/v1/datanode.ts';
import {
  isIntact,
  overlaid,
  recordOfId,
  rowsOfId,
  segmentIdOf,
  SHARDS,
  textOf,
} from './sim-segment.ts';
import type { Rows } from './sim-segment.ts';
import { Violation } from './sim-world.ts';
import type {
  DatanodePort,
  JudgePort,
  MasterPort,
  ReadAnswer,
  SimWorld,
  Writer,
} from './sim-world.ts';

/** A copy that was counted on may have been on a disk that a fault has emptied in this time. */
const EMPTIED_MS = 12_000;

const NOTHING: readonly Rows[] = Array.from({ length: SHARDS }, () => new Map());

export class SimJudge implements JudgePort {
  readonly #sim: SimWorld;
  /** `<uid>/<version>` -> what it holds, by shard. */
  readonly #contents = new Map<string, readonly Rows[]>();
  /** Manifests that were looked at. */
  readonly #manifests = new Set<string>();
  readonly #epochs = new Map<string, number>();
  #owners: World['owners'] = [];
  #lastView: { readonly epoch: number; readonly revision: number } = { epoch: 0, revision: 0 };
  /** Acknowledged to a loader. */
  readonly acknowledged: { readonly uid: string; readonly version: number }[] = [];
  /** `<uid>/<version>` of those that a restored catalog knows nothing of. */
  readonly #lost = new Set<string>();
  reads = { OK: 0, NOT_FOUND: 0, UNAVAILABLE: 0 };

  constructor(sim: SimWorld) {
    this.#sim = sim;
  }

  #fail(what: string): never {
    throw new Violation(`${what} (at ${this.#sim.clock.nowMs} ms)`);
  }

  acknowledge(uid: string, version: number): void {
    this.acknowledged.push({ uid, version });
  }

  manifestGiven(manifest: Manifest): void {
    const { keyspaceUid, segments, version } = manifest;
    const ref = `${keyspaceUid}/${version}`;
    const name = `${ref} ${manifest.revision} ${segments.map(({ id }) => id).join()}`;
    if (this.#manifests.has(name)) return;
    this.#manifests.add(name);
    const content = Array.from({ length: SHARDS }, (_, shard) =>
      overlaid(segments.filter((one) => one.shard === shard).map(({ id }) => rowsOfId(id))),
    );
    const before = this.#contents.get(ref);
    if (before !== undefined && !isSameContent(before, content)) {
      this.#fail(`version ${ref} has two contents: ${told(before)} and ${told(content)}`);
    }
    this.#contents.set(ref, content);
    const { records } = manifest;
    if (!isSameTotals(totalsOf(content), totalsRecord(manifest))) {
      this.#fail(`version ${ref} says ${records} records, counts or digest are others`);
    }
  }

  /** At the moment of the flip: on what was current until then. */
  appended(
    uid: string,
    version: number,
    base: number,
    deltaIds: readonly string[],
    outcome: AppendRecord,
  ): void {
    const before = this.#contents.get(`${uid}/${base}`) ?? NOTHING;
    const deltas = new Map(deltaIds.map((id) => [recordOfId(id).shard, rowsOfId(id)]));
    const counts = { added: 0, replaced: 0, unchanged: 0 };
    const wanted = Array.from({ length: SHARDS }, (_, shard) => {
      const rows = before[shard] ?? new Map<string, string>();
      const delta = deltas.get(shard) ?? new Map<string, string>();
      for (const [key, value] of delta) {
        if (!rows.has(key)) counts.added++;
        else if (rows.get(key) === value) counts.unchanged++;
        else counts.replaced++;
      }
      return overlaid([rows, delta]);
    });
    // Nobody was given a manifest: nobody serves, and there is nothing to serve.
    const content = this.#contents.get(`${uid}/${version}`) ?? NOTHING;
    if (!isSameContent(wanted, content)) {
      this.#fail(`an append makes ${told(content)} of ${told(before)}, not ${told(wanted)}`);
    }
    const { added, replaced, unchanged } = outcome;
    const isCounted =
      added === counts.added && replaced === counts.replaced && unchanged === counts.unchanged;
    if (!isCounted)
      this.#fail(`an append counts ${JSON.stringify(outcome)}, not ${JSON.stringify(counts)}`);
  }

  /** At the moment of the flip: every owner that had what was merged has what came of it. */
  merged(merges: readonly (Merge & { readonly segment: { readonly id: string } })[]): void {
    const { world } = this.#sim.master.state;
    for (const { ids, segment, shard, uid } of merges) {
      const dataset = world.datasets.find((one) => one.uid === uid && one.current);
      const owners = dataset === undefined ? [] : ownersOf(world, dataset, shard);
      const lacking = owners.filter(
        (id) =>
          ids.every((one) => this.#isDurableOn(id, `${uid} ${one}`)) &&
          !this.#isDurableOn(id, `${uid} ${segment.id}`),
      );
      if (lacking.length > 0) {
        this.#fail(`${segment.id} of ${uid} is merged, and not on ${lacking.join()}`);
      }
    }
  }

  answered(node: DatanodePort, ref: string, shard: number, key: string, got: ReadAnswer): void {
    this.reads[got.status]++;
    if (got.status === 'UNAVAILABLE') return;
    const wanted = this.#contents.get(ref)?.[shard]?.get(key);
    if (got.status === 'NOT_FOUND' && wanted !== undefined) {
      this.#fail(`${node.id} says "not found" for '${key}' of ${ref}, shard ${shard}`);
    }
    if (got.status === 'OK' && got.value !== wanted) {
      this.#fail(`${node.id} answers '${got.value}' for '${key}' of ${ref}, shard ${shard}`);
    }
  }

  orderObeyed(node: DatanodePort, { epoch, incarnation }: OrderHeader): void {
    const highest = this.#epochs.get(node.id) ?? 0;
    if (epoch < highest) this.#fail(`${node.id} obeys epoch ${epoch} after epoch ${highest}`);
    this.#epochs.set(node.id, epoch);
    if (incarnation !== '' && incarnation !== node.incarnation) {
      this.#fail(`${node.id} obeys an order for ${incarnation}, being ${node.incarnation}`);
    }
  }

  needed({ keyspace, manifest, version } = this.#sim.master.durable): Set<string> {
    const names = new Set<string>();
    for (const [ref, record] of version) {
      if (!isHeld(record) || keyspace.get(record.uid)?.state === 'DELETING') continue;
      for (const { id } of manifest.get(ref)?.segments ?? []) names.add(`${record.uid} ${id}`);
    }
    return names;
  }

  /** On disks, verified and durable, of living and of dead nodes. */
  goodCopies(name: string): number {
    let count = 0;
    for (const { disk } of this.#sim.datanodes.values()) {
      const file = disk.files.get(name);
      if (file?.synced === true && isIntact(name, file.content)) count++;
    }
    return count;
  }

  /** A file that has rotted since counts: the scrubber is there for it. */
  #isDurableOn(nodeId: string, name: string): boolean {
    const file = this.#sim.datanodes.get(nodeId)?.disk.files.get(name);
    if (file === undefined) return false;
    return file.rotten === true || (file.synced && isIntact(name, file.content));
  }

  #durableCopies(name: string): number {
    const rotten = [...this.#sim.datanodes.values()].filter(
      ({ disk }) => disk.files.get(name)?.rotten === true,
    );
    return this.goodCopies(name) + rotten.length;
  }

  copyGone(name: string, how: string): void {
    if (this.goodCopies(name) === 0 && this.needed().has(name)) {
      this.#fail(`the last good copy of ${name} is gone: ${how}`);
    }
  }

  crashed(): void {
    for (const name of this.needed()) this.copyGone(name, 'a datanode crashed');
  }

  /** At the moment of the flip. */
  committed(uid: string, ids: readonly string[], wanted: number): void {
    for (const id of ids) {
      // A file that has rotted since is one more fault; the scrubber is there for it.
      const copies = this.#durableCopies(`${uid} ${id}`);
      const emptied = this.#sim.clock.nowMs - this.#sim.emptiedAtMs < EMPTIED_MS ? 1 : 0;
      if (copies + emptied < wanted)
        this.#fail(`${id} of ${uid} is committed with ${copies} of ${wanted} copies`);
    }
  }

  catalogChanges(writer: Writer, changes: readonly Change[]): void {
    for (const { id, record, table } of changes) {
      const isWord = (table === 'keyspace' || table === 'node') && record !== undefined;
      if (writer === 'loop' && isWord) this.#fail(`a loop writes ${table} ${id}`);
      if (writer !== 'loop' && table === 'observed' && record !== undefined) {
        this.#fail(`${writer} writes what only loops observe of ${id}`);
      }
    }
  }

  turnTaken({ durable, state: { view, world } }: MasterPort): void {
    const last = this.#lastView;
    const isNewer =
      view.epoch > last.epoch || (view.epoch === last.epoch && view.revision >= last.revision);
    if (!isNewer)
      this.#fail(`view ${view.epoch}/${view.revision} follows ${last.epoch}/${last.revision}`);
    this.#lastView = view;
    this.#placed(world);
    for (const { currentVersion, name, uid } of view.keyspaces) {
      if (currentVersion === 0) continue;
      const version = durable.version.get(`${uid}/${currentVersion}`);
      if (version?.state !== 'COMMITTED')
        this.#fail(`${name} shows version ${currentVersion}, which is not committed`);
    }
  }

  /** Nodes, zones and hosts of all owners, and of the first of them, which keyspaces with fewer copies have. */
  #placed(world: World): void {
    if (world.owners === this.#owners) return;
    this.#owners = world.owners;
    const placeOf = (id: string): { zone: string; host: string } => {
      const node = world.nodes.get(id);
      return { zone: node?.zone ?? '', host: node?.address.host ?? '' };
    };
    const eligible = eligibleNodes(world).map(({ id }) => placeOf(id));
    const zones = new Set(eligible.map(({ zone }) => zone)).size;
    const hosts = new Set(eligible.map(({ host }) => host)).size;
    for (const owners of world.owners) {
      if (new Set(owners).size !== owners.length)
        this.#fail(`owners ${owners.join()} are not distinct`);
      for (let count = 2; count <= owners.length; count++) {
        const places = owners.slice(0, count).map(placeOf);
        if (new Set(places.map(({ zone }) => zone)).size < Math.min(zones, count))
          this.#fail(`the first ${count} of ${owners.join()} are in fewer zones than there are`);
        if (new Set(places.map(({ host }) => host)).size < Math.min(hosts, count))
          this.#fail(`the first ${count} of ${owners.join()} are on fewer hosts than there are`);
      }
    }
  }

  restored({ version }: CatalogState): void {
    for (const { uid, version: number } of this.acknowledged) {
      if (!version.has(`${uid}/${number}`)) this.#lost.add(`${uid}/${number}`);
    }
  }

  /** At the end: what was acknowledged is known, unless its keyspace was deleted or it was retired. */
  nothingLost(): void {
    const { keyspace, version } = this.#sim.master.durable;
    for (const { uid, version: number } of this.acknowledged) {
      if (this.#lost.has(`${uid}/${number}`)) continue;
      if (!keyspace.has(uid)) {
        if (!this.#sim.dropped.has(uid))
          this.#fail(`keyspace ${uid} is gone, and nobody dropped it`);
        continue;
      }
      const top = Math.max(
        0,
        ...[...version.values()].filter((one) => one.uid === uid).map((one) => one.number),
      );
      if (top < number) this.#fail(`version ${number} of ${uid} was acknowledged and is gone`);
    }
  }
}

function isSameContent(one: readonly Rows[], other: readonly Rows[]): boolean {
  return told(one) === told(other);
}

/** `a=1 b=2 | | c=1 | a=22` */
function told(content: readonly Rows[]): string {
  return content.map(textOf).join(' | ');
}

/** As of one load of the same rows. */
function totalsOf(content: readonly Rows[]): TotalsRecord {
  const ids = content.flatMap((rows, shard) => segmentIdOf(shard, rows) ?? []);
  return addTotals(ids.map(recordOfId));
}
