// Loads of a simulation: begin, push every segment to the owners that the master names, commit, all of
// it over the simulated network, against the real transitions and the real check of replicas.
//
// A load that does not come through (a master or datanode that dies, a message that is lost) is given
// up; the next one into the keyspace takes its place, as after the end of its lease.

import type { CommitContent } from '../../master/catalog/commit-transitions.ts';
import { reserveVersion, settleLoad } from '../../master/catalog/commit-transitions.ts';
import { gateFor } from '../../master/catalog/gate.ts';
import { beginLoad } from '../../master/catalog/load-transitions.ts';
import { clusterOf } from '../../master/catalog/queries.ts';
import { manifestMessage } from '../../master/catalog/records.ts';
import { checkReplicas, contentFingerprint } from '../../master/commit-check.ts';
import { eligibleNodes } from '../../master/core/world.ts';
import { LoadMode } from '../../proto/gen/stele/v1/load.ts';
import { SimProcess } from './sim-clock.ts';
import { CONTENTS, recordOfId, segmentIdOf } from './sim-segment.ts';
import type { LoaderPort, SimWorld } from './sim-world.ts';

const PUSH_DEADLINE_MS = 3_000;
const COMMIT_DEADLINE_MS = 8_000;
/** No load is told of its end later than this. */
const GIVE_UP_MS = 25_000;

export class SimLoader extends SimProcess implements LoaderPort {
  readonly #sim: SimWorld;
  #drawn = 0;
  /** Loads that have begun and are not over, as far as anybody waits for them. */
  running = 0;

  constructor(sim: SimWorld) {
    super('loader');
    this.#sim = sim;
    this.alive = true;
  }

  load(keyspace: string): void {
    let isOver = false;
    this.running++;
    const end = (): void => {
      if (!isOver) this.running--;
      isOver = true;
    };
    this.#sim.clock.after(GIVE_UP_MS, this, end);
    const { master, network } = this.#sim;
    network.call<{ id: string; uid: string; owners: readonly (readonly string[])[] }>(
      this,
      master,
      PUSH_DEADLINE_MS,
      (answer) => {
        // The master draws both for every request, also for one that comes twice.
        const number = ++this.#drawn;
        const id = `load-${number}`;
        const wanted = {
          ...{
            id,
            keyspace,
            keyspaceUid: `${keyspace}~${number}`,
            source: '',
            inputFingerprint: '',
          },
          ...{ minReplicas: 0, mode: 'REPLACE' as const, workToken: '', nowIso: '' },
          owner: { host: '', pid: 0, user: '' },
        };
        // As Loads.#requireServing.
        if ((master.state.world.owners[0] ?? []).length === 0) {
          return answer({ ok: false, error: 'UNAVAILABLE' });
        }
        const isSilent = { mayReplace: true, progress: undefined, text: '' };
        master.update(
          'load',
          (state) => beginLoad(state, wanted, () => isSilent),
          (begun) => {
            if (!begun.ok) return answer(begun);
            const { uid } = begun.value.keyspace;
            master.dispatch({ kind: 'load-touched', uid });
            answer({ ok: true, value: { id, uid, owners: master.state.world.owners } });
          },
        );
      },
      (begun) => {
        if (!begun.ok) return end();
        this.#push(begun.value.id, begun.value.uid, begun.value.owners, end);
      },
    );
  }

  #push(id: string, uid: string, owners: readonly (readonly string[])[], end: () => void): void {
    const { network, random } = this.#sim;
    const segmentIds = owners.flatMap((_, shard) =>
      // A shard without records has no segment.
      random.chance(0.9) ? [segmentIdOf(shard, random.int(0, CONTENTS))] : [],
    );
    const pushes = segmentIds.flatMap((segmentId) =>
      (owners[recordOfId(segmentId).shard] ?? []).map((nodeId) => ({ segmentId, nodeId })),
    );
    let left = pushes.length;
    const over = (): void => {
      if (--left <= 0) this.#commit(id, uid, segmentIds, end);
    };
    if (pushes.length === 0) return this.#commit(id, uid, segmentIds, end);
    for (const { nodeId, segmentId } of pushes) {
      const node = this.#sim.datanodes.get(nodeId);
      if (node === undefined) over();
      else {
        network.call<boolean>(
          this,
          node,
          PUSH_DEADLINE_MS,
          (answer) => node.onPush(uid, segmentId, answer),
          over,
        );
      }
    }
  }

  #commit(id: string, uid: string, segmentIds: readonly string[], end: () => void): void {
    const { judge, master, network } = this.#sim;
    network.call<number>(
      this,
      master,
      COMMIT_DEADLINE_MS,
      (answer) => this.#onCommit(id, uid, segmentIds, (value) => answer(value)),
      (done) => {
        if (done.ok) judge.acknowledge(uid, done.value);
        end();
      },
    );
  }

  /** On the master: as master/commit.ts, step by step. */
  #onCommit(
    id: string,
    uid: string,
    segmentIds: readonly string[],
    answer: (value: { ok: true; value: number } | { ok: false; error: string }) => void,
  ): void {
    const { master } = this.#sim;
    const segments = segmentIds.map(recordOfId);
    const fingerprint = contentFingerprint(segments);
    master.update(
      'load',
      (state) => reserveVersion(state, id, fingerprint, ''),
      (reserved) => {
        if (!reserved.ok) return answer(reserved);
        const version = reserved.value;
        const sums = {
          records: segments.length,
          keyBytes: 1,
          valueBytes: 1,
          digest: '',
          nowIso: '',
        };
        const content: CommitContent = { version, fingerprint, segments, ...sums };
        this.#giveManifests(uid, content, (held) => this.#settle(id, uid, content, held, answer));
      },
    );
  }

  #giveManifests(
    uid: string,
    content: CommitContent,
    done: (held: ReadonlyMap<string, ReadonlySet<string>>) => void,
  ): void {
    const { master } = this.#sim;
    const keyspace = master.durable.keyspace.get(uid);
    const held = new Map<string, ReadonlySet<string>>();
    const serving = [...master.state.nodes.values()].filter((node) => node.liveness === 'SERVING');
    if (keyspace === undefined || serving.length === 0) return done(held);
    const record = { uid, version: content.version, segments: content.segments };
    const { shardCount } = clusterOf(master.durable);
    const manifest = manifestMessage(
      keyspace,
      { ...content, number: content.version },
      record,
      shardCount,
    );
    let left = serving.length;
    for (const { id } of serving) {
      const node = this.#sim.datanodes.get(id);
      const over = (ids: readonly string[] | undefined): void => {
        if (ids !== undefined) held.set(id, new Set(ids));
        if (--left === 0) done(held);
      };
      if (node === undefined) over(undefined);
      else master.putManifest(node, master.header(id), manifest, over);
    }
  }

  #settle(
    id: string,
    uid: string,
    content: CommitContent,
    held: ReadonlyMap<string, ReadonlySet<string>>,
    answer: (value: { ok: true; value: number } | { ok: false; error: string }) => void,
  ): void {
    const { judge, master } = this.#sim;
    const { world } = master.state;
    const wanted = Math.max(1, Math.min(world.replication, eligibleNodes(world).length));
    try {
      if (!this.#sim.has('swap-early')) checkReplicas(content.segments, held, wanted);
    } catch {
      return answer({ ok: false, error: 'REPLICAS_MISSING' });
    }
    const gate = { ...gateFor(undefined, LoadMode.REPLACE), maxShrink: 1 };
    const terms = { gate, keys: [], keep: 0, progress: undefined };
    const segmentIds = content.segments.map((segment) => segment.id);
    master.update(
      'load',
      (state) => {
        const transition = settleLoad(state, id, content, terms);
        judge.committed(uid, segmentIds, wanted);
        return transition;
      },
      (settled) => {
        if (!settled.ok) return answer(settled);
        master.dispatch({ kind: 'load-touched', uid });
        answer({ ok: true, value: content.version });
      },
    );
  }
}
