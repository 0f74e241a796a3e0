// A whole cluster in one thread and no time: the real core of the control plane among datanodes, disks
// and a network that are simulated, driven by one seed.
//
//   chaos    faults, operators, loads and reads at random; the judge looks at every event
//   healing  no faults any more: everything is started, every link is whole
//   end      all GREEN, deltas merged, every copy where the ring wants it and nowhere else, all contents equal
//
// A run is a function of its seed: `trace` names everything that happened.

import { DELTAS_MAX } from '../../base/limits.ts';
import type { CatalogState, Transition } from '../../master/catalog/catalog.ts';
import { setDrain } from '../../master/catalog/cluster-transitions.ts';
import type { ControlState } from '../../master/core/control-state.ts';
import { ownersOf } from '../../master/core/world.ts';
import { HealthStatus } from '../../proto/gen/stele/v1/view.ts';
import { actAtRandom, calmNetwork, cancelLoads, readAtRandom, strike } from './sim-actions.ts';
import { SimClock, SimProcess, unpause } from './sim-clock.ts';
import { SimDatanode } from './sim-datanode.ts';
import { SimJudge } from './sim-judge.ts';
import { SimLoader } from './sim-loader.ts';
import { SimMaster } from './sim-master.ts';
import { SimNetwork } from './sim-network.ts';
import { SimRandom } from './sim-random.ts';
import { isIntact } from './sim-segment.ts';
import { Violation } from './sim-world.ts';
import type { DatanodePort, Defect, SimWorld } from './sim-world.ts';

export interface SimulationResult {
  readonly seed: number;
  /** Empty: all held. */
  readonly violation: string;
  readonly events: number;
  /** Of everything that happened, in order. */
  readonly trace: string;
  readonly healedAfterMs: number;
  readonly reads: SimJudge['reads'];
  readonly commits: number;
}

const CHAOS_MS = 30_000;
const HEALING_MS_MAX = 180_000;
const CHECK_INTERVAL_MS = 1_000;
const SCRUB_INTERVAL_MS = 3_000;

class Simulation implements SimWorld {
  readonly clock = new SimClock();
  readonly random: SimRandom;
  readonly network: SimNetwork;
  readonly judge: SimJudge;
  readonly master: SimMaster;
  readonly loader: SimLoader;
  readonly reader = new SimProcess('reader');
  readonly datanodes = new Map<string, DatanodePort>();
  /** Uids of keyspaces that an operator has dropped. */
  readonly dropped = new Set<string>();
  /** When a fault last took a whole disk. */
  emptiedAtMs = Number.NEGATIVE_INFINITY;
  readonly #defect: Defect | undefined;
  readonly #zones: number;
  readonly #nodesPerHost: number;
  #trace = 0x811c9dc5;
  #isChaos = true;

  constructor(seed: number, defect?: Defect) {
    this.#defect = defect;
    this.random = new SimRandom(seed);
    this.network = new SimNetwork(this.clock, this.random);
    this.judge = new SimJudge(this);
    const settings = {
      term: 'simulation',
      replication: this.random.int(2, 4),
      membership: {
        suspectMisses: 1,
        downMisses: 3,
        initializingDownMisses: 10,
        repairDelayMs: 4_000,
      },
      repair: { copiesPerNodeMax: 2, bytesPerSecondMax: 0 },
      retireDelayMs: 1_500,
    };
    this.master = new SimMaster(this, settings);
    this.loader = new SimLoader(this);
    this.reader.alive = true;
    const count = this.random.int(2, 5);
    this.#zones = this.random.pick([0, 2, 3]) ?? 0;
    this.#nodesPerHost = this.random.int(1, 3);
    for (let number = 1; number <= count; number++) {
      const node = new SimDatanode(this, `n${number}`, this.placeOf(number));
      this.datanodes.set(node.id, node);
    }
  }

  placeOf(number: number): { readonly host: string; readonly zone: string } {
    const host = Math.ceil(number / this.#nodesPerHost);
    return { host: `host-${host}`, zone: this.#zones === 0 ? '' : `zone-${host % this.#zones}` };
  }

  has(defect: Defect): boolean {
    return this.#defect === defect;
  }

  /** Into the trace: FNV-1a over what happens and when. */
  note(what: string): void {
    const text = `${this.clock.nowMs} ${what};`;
    for (let at = 0; at < text.length; at++) {
      this.#trace = Math.imul(this.#trace ^ text.charCodeAt(at), 0x01000193);
    }
  }

  strikes(node: DatanodePort): boolean {
    return this.#isChaos && strike(this, node);
  }

  /** An operator's word, if there is a master to hear it; refusals are part of the game. */
  operate<Result>(
    transition: (state: CatalogState) => Transition<Result>,
    done: () => void = () => undefined,
  ): void {
    if (!this.master.alive || this.master.paused) return;
    this.master.update('operator', transition, ({ ok }) => {
      if (ok) done();
    });
  }

  run(seed: number): SimulationResult {
    let violation = '';
    let healedAfterMs = 0;
    try {
      this.#begin();
      this.#runUntil(CHAOS_MS);
      this.#heal();
      healedAfterMs = this.#awaitHealed();
      this.judge.nothingLost();
    } catch (thrown) {
      if (!(thrown instanceof Violation)) throw thrown;
      violation = thrown.message;
    }
    this.note(`end ${violation}`);
    return {
      ...{ seed, violation, healedAfterMs, reads: this.judge.reads },
      events: this.clock.events,
      trace: `${(this.#trace >>> 0).toString(16)}/${this.clock.events}`,
      commits: this.judge.acknowledged.length,
    };
  }

  #begin(): void {
    this.master.start();
    for (const node of this.datanodes.values()) node.start();
    this.clock.after(1_200, undefined, () => this.loader.load('prices', 'REPLACE'));
    this.clock.after(1_500, undefined, () => this.loader.load('scores', 'APPEND'));
    this.clock.after(3_000, undefined, () => this.#act());
    this.clock.after(2_500, undefined, () => this.#loadAgain());
    this.clock.after(2_600, undefined, () => this.#appendAgain());
    this.#read();
    this.#scrub();
  }

  #act(): void {
    if (!this.#isChaos) return;
    actAtRandom(this);
    this.clock.after(this.random.int(50, 1_200), undefined, () => this.#act());
  }

  /** A job that makes a new version every few seconds, as far as it comes. */
  #loadAgain(): void {
    if (!this.#isChaos) return;
    this.loader.load('prices', 'REPLACE');
    this.clock.after(this.random.int(800, 3_500), undefined, () => this.#loadAgain());
  }

  /** A job that brings a little, often, so that deltas have to be merged. */
  #appendAgain(): void {
    if (!this.#isChaos) return;
    this.loader.load('scores', 'APPEND');
    this.clock.after(this.random.int(400, 2_000), undefined, () => this.#appendAgain());
  }

  #read(): void {
    readAtRandom(this);
    this.clock.after(this.random.int(10, 90), undefined, () => this.#read());
  }

  #scrub(): void {
    for (const node of this.datanodes.values()) if (node.alive && !node.paused) node.scrub();
    this.clock.after(SCRUB_INTERVAL_MS, undefined, () => this.#scrub());
  }

  #runUntil(endMs: number): void {
    while (this.clock.step(endMs))
      this.#trace = Math.imul(this.#trace ^ this.clock.nowMs, 0x01000193);
    this.clock.nowMs = endMs;
  }

  #heal(): void {
    this.#isChaos = false;
    this.note('heal');
    this.network.cuts.clear();
    calmNetwork(this);
    for (const process of [this.master, ...this.datanodes.values()]) {
      if (!process.alive) process.start();
      else if (process.paused) unpause(process);
    }
  }

  /** How long it took; throws where it takes too long. */
  #awaitHealed(): number {
    const startMs = this.clock.nowMs;
    let why = '';
    while (this.clock.nowMs - startMs < HEALING_MS_MAX) {
      this.#runUntil(this.clock.nowMs + CHECK_INTERVAL_MS);
      if (this.loader.running === 0) cancelLoads(this);
      for (const { drain, id } of this.master.durable.node.values()) {
        if (drain) this.operate((state) => setDrain(state, id, false));
      }
      why = this.#unhealed();
      if (why === '') return this.clock.nowMs - startMs;
    }
    throw new Violation(`not healed after ${HEALING_MS_MAX} ms: ${why}`);
  }

  #unhealed(): string {
    const { durable, orders, state } = this.master;
    if (this.loader.running > 0) return 'a load is running';
    if ([...durable.load.values()].some((load) => load.state === 'RUNNING'))
      return 'a load is open';
    if (state.health.status !== HealthStatus.GREEN) return `health ${state.health.status}`;
    if (state.facts.leaving.length > 0 || state.facts.deleting.size > 0)
      return 'something is leaving';
    if (orders === undefined || orders.copies.length > 0 || state.inFlight.size > 0)
      return 'copies';
    if (state.merges.size > 0) return 'deltas are being merged';
    for (const loop of state.loops.values())
      if (loop.error !== '') return `repairing: ${loop.error}`;
    return this.#misplaced(state) || this.#leftOver(state);
  }

  /** What was merged away is gone, wherever no kept version has it still. */
  #leftOver({ world: { datasets } }: ControlState): string {
    const kept = new Set(
      datasets.flatMap(({ segmentsByShard, uid }) =>
        segmentsByShard.flat().map(({ id }) => `${uid} ${id}`),
      ),
    );
    for (const { current, merged, segmentsByShard, suspended, uid } of datasets) {
      const longest = Math.max(...segmentsByShard.map((chain) => chain.length));
      if (current && longest > DELTAS_MAX + 1 && !suspended)
        return `a shard of ${uid} has ${longest} segments`;
      for (const id of merged) {
        const name = `${uid} ${id}`;
        const holder = [...this.datanodes.values()].find(({ disk }) => disk.files.has(name));
        if (!kept.has(name) && holder !== undefined) return `${name} is left on ${holder.id}`;
      }
    }
    return '';
  }

  /** Every owner has every segment of every kept version, intact; nobody has others' segments. */
  #misplaced({ world }: ControlState): string {
    const wanted = new Map<string, Set<string>>();
    for (const dataset of world.datasets) {
      for (const [shard, segments] of dataset.segmentsByShard.entries()) {
        for (const { id } of segments) {
          const name = `${dataset.uid} ${id}`;
          const owners = ownersOf(world, dataset, shard);
          wanted.set(name, new Set([...(wanted.get(name) ?? []), ...owners]));
        }
      }
    }
    for (const [name, owners] of wanted) {
      for (const node of this.datanodes.values()) {
        const file = node.disk.files.get(name);
        const has = file !== undefined && isIntact(name, file.content);
        if (has !== owners.has(node.id)) return `${name} on ${node.id}: ${has}`;
      }
    }
    return '';
  }
}

export function simulate(seed: number, defect?: Defect): SimulationResult {
  return new Simulation(seed, defect).run(seed);
}
