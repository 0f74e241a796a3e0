// A whole cluster in one thread and no time: the product's master and datanodes over a simulated
// clock, network, disk and metadata store, driven by one seed.
//
//   chaos    faults, operators, loads and reads at random; the judge looks at every event
//   healing  faults have ended: every process is started, every link works
//   end      all GREEN, deltas merged, every copy where the ring wants it and nowhere else, all contents equal
//
// A run is a function of its seed: `trace` names everything that happened.

import { faultAtRandom, healAll, noteTroubles, strike } from './chaos/faults.ts';
import {
  cancelLoads,
  operate,
  operateAtRandom,
  readAtRandom,
  readEverything,
} from './chaos/operations.ts';
import type { Defect } from './chaos/defects.ts';
import { SimCandidate } from './cluster/candidate.ts';
import type { Cluster, MasterProcess, Several, Single } from './cluster/cluster.ts';
import { SimDatanode } from './cluster/datanode.ts';
import { SimLoader } from './cluster/loader.ts';
import { SimMaster } from './cluster/master.ts';
import { SegmentBook } from './cluster/segments.ts';
import { EtcdLayout } from '../../master/metadata/etcd/layout.ts';
import { DEEP_STORE_URL } from './cluster/plane-watch.ts';
import { objectRemoved } from './judge/archived.ts';
import { Judge } from './judge/judge.ts';
import { unhealed } from './judge/healed.ts';
import { SimBucket } from './world/bucket.ts';
import { SimClock, SimProcess } from './world/clock.ts';
import { SimEtcd } from './world/etcd.ts';
import { SimMetadata } from './world/metadata.ts';
import { SimNetwork } from './world/network.ts';
import { SimRandom } from './world/random.ts';

export interface SimulationResult {
  readonly seed: number;
  /** Empty: all held. */
  readonly violation: string;
  readonly events: number;
  /** Of everything that happened, in order. */
  readonly trace: string;
  readonly healedAfterMs: number;
  readonly reads: Judge['reads'];
  readonly commits: number;
  readonly merges: number;
  /** Times at which one of several masters began to lead. */
  readonly takeOvers: number;
}

const CHAOS_MS = 30_000;
const HEALING_MS_MAX = 180_000;
const READ_ALL_MS = 500;
const CHECK_INTERVAL_MS = 1_000;
const TROUBLE_INTERVAL_MS = 100;

/** A caller without state of its own. */
class Bystander extends SimProcess {
  constructor(id: string) {
    super(id);
    this.beginLife();
  }
}

class Simulation implements Cluster {
  readonly clock = new SimClock();
  readonly random: SimRandom;
  readonly network: SimNetwork;
  readonly single: Single | undefined;
  readonly several: Several | undefined;
  readonly bucket: SimBucket | undefined;
  readonly book = new SegmentBook();
  readonly judge: Judge;
  virtualNodes = 0;
  readonly loader: SimLoader;
  readonly operator = new Bystander('operator');
  readonly reader = new Bystander('reader');
  readonly datanodes = new Map<string, SimDatanode>();
  readonly defect: Defect | undefined;
  readonly dropped = new Set<string>();
  emptiedAtMs = Number.NEGATIVE_INFINITY;
  throwsUntilMs = 0;
  slowUntilMs = 0;
  readonly #zones: number;
  readonly #nodesPerHost: number;
  #trace = 0x811c9dc5;
  #isChaos = true;

  constructor(seed: number, { defect, hasDeepStore = false, masters }: Setting) {
    const isSeveral = masters === 'several';
    this.defect = defect;
    this.random = new SimRandom(seed);
    if (hasDeepStore) {
      this.bucket = new SimBucket(this.clock, seed, (name) =>
        objectRemoved(this, DEEP_STORE_URL, name),
      );
    }
    this.network = new SimNetwork(this.clock, this.random);
    this.judge = new Judge(this);
    if (isSeveral) this.several = severalMasters(this);
    else this.single = onlyMaster(this);
    this.loader = new SimLoader(this);
    const count = this.random.int(2, 5);
    this.#zones = this.random.pick([0, 2, 3]) ?? 0;
    this.#nodesPerHost = this.random.int(1, 3);
    for (let number = 1; number <= count; number++) {
      const node = new SimDatanode(this, number);
      this.datanodes.set(node.id, node);
    }
  }

  get etcd(): SimEtcd | undefined {
    return this.several?.etcd;
  }

  get metadata(): SimEtcd | SimMetadata {
    const { single, several } = this;
    return several?.etcd ?? single!.store;
  }

  get masters(): readonly MasterProcess[] {
    const { single, several } = this;
    return several?.masters ?? [single!.master];
  }

  get master(): MasterProcess {
    const { masters } = this;
    return (
      masters.find((master) => this.judge.leaders.leads(master)) ??
      masters.find(({ plane }) => plane !== undefined) ??
      masters[0]!
    );
  }

  placeOf(number: number): { readonly host: string; readonly zone: string } {
    const host = Math.ceil(number / this.#nodesPerHost);
    return { host: `host-${host}`, zone: this.#zones === 0 ? '' : `zone-${host % this.#zones}` };
  }

  /** Into the trace: FNV-1a over what happens and when. */
  note = (what: string): void => {
    const text = `${this.clock.nowMs} ${what};`;
    if (process.env['STELE_SIMULATION_LOG'] !== undefined) console.log(text);
    for (let at = 0; at < text.length; at++) {
      this.#trace = Math.imul(this.#trace ^ text.charCodeAt(at), 0x01000193);
    }
  };

  strikes(node: SimDatanode): boolean {
    return this.#isChaos && strike(this, node);
  }

  async run(seed: number): Promise<SimulationResult> {
    this.#begin();
    await this.#runUntil(CHAOS_MS);
    this.#isChaos = false;
    this.note('heal');
    healAll(this);
    const healedAfterMs = await this.#awaitHealed();
    await this.#readAll();
    if (this.judge.violation === '') this.judge.nothingLost();
    const { violation } = this.judge;
    this.note(`end ${violation}`);
    return {
      ...{ seed, violation, healedAfterMs, reads: this.judge.reads },
      events: this.clock.events,
      trace: `${(this.#trace >>> 0).toString(16)}/${this.clock.events}`,
      takeOvers: this.judge.leaders.takeOvers,
      commits: this.judge.acknowledgements.length,
      merges: [...this.metadata.stored.catalog.manifest.values()].reduce(
        (sum, one) => sum + (one.revision ?? 0),
        0,
      ),
    };
  }

  #begin(): void {
    for (const master of this.masters) master.start();
    for (const node of this.datanodes.values()) node.start();
    this.#every(100, 101, () => noteTroubles(this), TROUBLE_INTERVAL_MS);
    this.#whileChaos(3_000, 50, 1_200, () =>
      this.random.chance(0.5) ? faultAtRandom(this) : operateAtRandom(this),
    );
    this.#whileChaos(1_200, 800, 3_500, () => this.loader.load('prices', 'REPLACE'));
    this.#whileChaos(1_500, 400, 2_000, () => this.loader.load('scores', 'APPEND'));
    // Little, often, and nothing else: so that there are deltas to merge.
    this.#whileChaos(1_800, 200, 900, () => this.loader.load('events', 'APPEND'));
    this.#every(10, 90, () => readAtRandom(this));
  }

  #whileChaos(firstMs: number, fromMs: number, toMs: number, action: () => void): void {
    this.#every(
      fromMs,
      toMs,
      () => {
        if (this.#isChaos) action();
      },
      firstMs,
    );
  }

  #every(fromMs: number, toMs: number, action: () => void, firstMs = 0): void {
    this.clock.after(firstMs, undefined, () => {
      action();
      this.#every(fromMs, toMs, action, this.random.int(fromMs, toMs));
    });
  }

  /** Each event, and all that follows from it at once. */
  async #runUntil(endMs: number): Promise<void> {
    while (this.judge.violation === '' && this.#step(endMs)) {
      this.#trace = Math.imul(this.#trace ^ this.clock.nowMs, 0x01000193);
      await new Promise((resolve) => setImmediate(resolve));
      this.judge.leaders.oneLeads();
    }
    this.clock.nowMs = endMs;
  }

  #step(endMs: number): boolean {
    try {
      return this.clock.step(endMs);
    } catch (thrown) {
      this.judge.fail(`a process ends of what was thrown in it: ${String(thrown)}`);
      return false;
    }
  }

  /** Every key of every current version, of every node that is said to have it. */
  async #readAll(): Promise<void> {
    const unanswered = readEverything(this);
    await this.#runUntil(this.clock.nowMs + READ_ALL_MS);
    const [first] = unanswered;
    if (first !== undefined) this.judge.fail(`nobody answers for ${first}, when all is healed`);
  }

  /** How long it took. */
  async #awaitHealed(): Promise<number> {
    const startMs = this.clock.nowMs;
    let why = '';
    while (this.judge.violation === '' && this.clock.nowMs - startMs < HEALING_MS_MAX) {
      await this.#runUntil(this.clock.nowMs + CHECK_INTERVAL_MS);
      if (this.loader.running === 0) cancelLoads(this);
      for (const { drain, id } of this.metadata.stored.catalog.node.values()) {
        if (drain) operate(this, (operations) => operations.resumeNode(id));
      }
      why = unhealed(this);
      if (why === '') return this.clock.nowMs - startMs;
    }
    this.judge.fail(`not healed after ${HEALING_MS_MAX} ms: ${why}`);
    return HEALING_MS_MAX;
  }
}

/** What a heartbeat tells of this process is not of the simulation, and is slow to find out. */
process.memoryUsage.rss = () => 0;

/** Of the only master, with the embedded store, or of several, with etcd. */
type Masters = 'one' | 'several';

export interface Setting {
  readonly masters: Masters;
  readonly hasDeepStore?: boolean;
  /** A rule of the product that is broken. */
  readonly defect?: Defect | undefined;
}

export function simulate(seed: number, setting: Setting): Promise<SimulationResult> {
  return new Simulation(seed, setting).run(seed);
}

function onlyMaster(sim: Simulation): Single {
  const store = new SimMetadata(sim.clock, sim.random, (changes, before, after) =>
    sim.judge.changed(changes, before, after),
  );
  return { store, master: new SimMaster(sim, store, sim.random.int(2, 4)) };
}

/**
 * Values are cut into pieces, and transactions are written to the journal, at sizes of this
 * simulation.
 */
function severalMasters(sim: Simulation): Several {
  const { judge, random } = sim;
  const layout = new EtcdLayout('/stele/simulation/', {
    inlineBytes: random.int(150, 800),
    pieceBytes: random.int(50, 300),
    operations: random.int(3, 10),
  });
  const reader = {
    changed: judge.changed.bind(judge),
    written: judge.leaders.written.bind(judge.leaders),
    fail: judge.fail.bind(judge),
  };
  const etcd: SimEtcd = new SimEtcd(sim, layout, reader, (entries) =>
    judge.leaders.expired(entries, etcd),
  );
  const replication = random.int(2, 4);
  const masters = [1, 2, 3].map((number) => new SimCandidate(sim, etcd, number, replication));
  return { etcd, masters };
}
