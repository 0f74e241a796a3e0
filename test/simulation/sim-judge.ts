// What must hold at every moment of a simulation, whatever has failed. It sees everything: all disks,
// the durable catalog, every order that is obeyed and every answer that is given.
//
//   one value per (keyspace, version, key), ever       manifestGiven, answered
//   "not found" only from who holds the shard          answered
//   nothing is served before it verifies               answered
//   epochs only rise; orders for other runs are not obeyed   orderObeyed
//   the last good copy of what is kept is never deleted      copyGone, crashed
//   a version is visible only with its verified replicas     committed, turnTaken
//   an operator's word is written by operators alone         catalogChanges
//   replicas are on distinct nodes, in as many zones as
//   there are; view revisions rise                           turnTaken

import type { Change } from '../../master/catalog/catalog.ts';
import { isHeld } from '../../master/catalog/queries.ts';
import { eligibleNodes } from '../../master/core/world.ts';
import type { Manifest } from '../../proto/gen/stele/v1/segment.ts';
import type { OrderHeader } from '../../proto/gen/stele/v1/datanode.ts';
import { contentOf, isIntact } from './sim-segment.ts';
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

export class SimJudge implements JudgePort {
  readonly #sim: SimWorld;
  /** `<uid>/<version>` -> segment ids by shard; undefined: no records there. */
  readonly contents = new Map<string, readonly (string | undefined)[]>();
  readonly #epochs = new Map<string, number>();
  #lastView: { readonly epoch: number; readonly revision: number } = { epoch: 0, revision: 0 };
  /** Acknowledged to a loader. */
  readonly acknowledged: { readonly uid: string; readonly version: number }[] = [];
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

  manifestGiven({ keyspaceUid, segments, shardCount, version }: Manifest): void {
    const ids = new Map(segments.map(({ id, shard }) => [shard, id]));
    const content = Array.from({ length: shardCount }, (_, shard) => ids.get(shard));
    const ref = `${keyspaceUid}/${version}`;
    const before = this.contents.get(ref);
    if (before !== undefined && before.join() !== content.join()) {
      this.#fail(`version ${ref} has two contents`);
    }
    this.contents.set(ref, content);
  }

  answered(
    node: DatanodePort,
    ref: string,
    shard: number,
    present: boolean,
    got: ReadAnswer,
  ): void {
    this.reads[got.status]++;
    if (got.status === 'UNAVAILABLE') return;
    const id = this.contents.get(ref)?.[shard];
    const wanted =
      id === undefined || !present ? undefined : contentOf(`${ref.split('/')[0]} ${id}`);
    if (got.status === 'NOT_FOUND' && wanted !== undefined) {
      this.#fail(`${node.id} says "not found" for a key of ${ref}, shard ${shard}`);
    }
    if (got.status === 'OK' && got.value !== wanted) {
      this.#fail(`${node.id} answers '${got.value}' for ${ref}, shard ${shard}`);
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

  /** Names of segments that a version in the durable catalog needs. */
  needed(): Set<string> {
    const { keyspace, manifest, version } = this.#sim.master.durable;
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
    const zoneOf = (id: string): string => world.nodes.get(id)?.zone ?? '';
    const zones = new Set(eligibleNodes(world).map(({ zone }) => zone)).size;
    for (const owners of world.owners) {
      if (new Set(owners).size !== owners.length)
        this.#fail(`owners ${owners.join()} are not distinct`);
      if (new Set(owners.map(zoneOf)).size < Math.min(zones, owners.length))
        this.#fail(`owners ${owners.join()} are in fewer zones than there are`);
    }
    for (const { currentVersion, name, uid } of view.keyspaces) {
      if (currentVersion === 0) continue;
      const version = durable.version.get(`${uid}/${currentVersion}`);
      if (version?.state !== 'COMMITTED')
        this.#fail(`${name} shows version ${currentVersion}, which is not committed`);
    }
  }

  /** At the end: what was acknowledged is known, unless its keyspace was deleted or it was retired. */
  nothingLost(): void {
    const { keyspace, version } = this.#sim.master.durable;
    for (const { uid, version: number } of this.acknowledged) {
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
