// Loads of a simulation, replaces and appends: begin, push every segment to the owners that the master names,
// commit, all of it over the simulated network, against the real transitions and the real checks.
//
// A load that does not come through (a master or datanode that dies, a message that is lost) is given
// up; the next one into the keyspace takes its place, as after the end of its lease.

import { beginLoad } from '../../master/catalog/load-transitions.ts';
import { SimProcess } from './sim-clock.ts';
import { SimCommit } from './sim-commit.ts';
import { KEYS, recordOfId, segmentIdOf, SHARDS, VALUES } from './sim-segment.ts';
import type { Rows } from './sim-segment.ts';
import type { LoaderPort, SimWorld } from './sim-world.ts';

const PUSH_DEADLINE_MS = 3_000;
const COMMIT_DEADLINE_MS = 8_000;
/** No load is told of its end later than this. */
const GIVE_UP_MS = 25_000;

type Mode = 'REPLACE' | 'APPEND';

/** What a replace may bring to a shard: little, so that versions have segments in common. */
const WHOLES: readonly Rows[] = [
  new Map([
    ['a', '1'],
    ['b', '1'],
  ]),
  new Map([
    ['a', '22'],
    ['c', '1'],
  ]),
];

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

  load(keyspace: string, mode: Mode): void {
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
            input: '',
            inputFingerprint: '',
          },
          ...{ minReplicas: 0, mode, workToken: '', nowIso: '' },
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
            answer({ ok: true, value: { id, uid, owners: master.state.world.owners } });
          },
        );
      },
      (begun) => {
        if (!begun.ok) return end();
        this.#push(begun.value.id, begun.value.uid, mode, begun.value.owners, end);
      },
    );
  }

  /** At most one segment a shard: a shard without records has none. */
  #segments(mode: Mode): string[] {
    const { random } = this.#sim;
    return Array.from({ length: SHARDS }, (_, shard) => {
      const rows = mode === 'APPEND' ? this.#deltaRows() : WHOLES[random.int(0, WHOLES.length)];
      return random.chance(0.9) && rows !== undefined ? segmentIdOf(shard, rows) : undefined;
    }).filter((id) => id !== undefined);
  }

  #deltaRows(): Rows {
    const { random } = this.#sim;
    return new Map(
      KEYS.flatMap((key) =>
        random.chance(0.5) ? [[key, random.pick(VALUES) ?? ''] as const] : [],
      ),
    );
  }

  #push(
    id: string,
    uid: string,
    mode: Mode,
    owners: readonly (readonly string[])[],
    end: () => void,
  ): void {
    const { network } = this.#sim;
    const segmentIds = this.#segments(mode);
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
      (answer) => {
        const token = {};
        master.committing.set(token, uid);
        new SimCommit(this.#sim, id, segmentIds, (value) => {
          master.committing.delete(token);
          answer(value);
        }).run();
      },
      (done) => {
        if (done.ok) judge.acknowledge(uid, done.value);
        end();
      },
    );
  }
}
