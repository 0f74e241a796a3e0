// What happens to a simulated cluster: faults, operators, loads, readers. Each action is chosen by
// chance, and looks first whether it may: a fault that destroys the last good copy of something would
// prove nothing.

import { removeNode, setDrain, setVirtualNodes } from '../../master/catalog/cluster-transitions.ts';
import {
  dropKeyspace,
  resumeKeyspace,
  setReplication,
  suspendKeyspace,
} from '../../master/catalog/keyspace-transitions.ts';
import { cancelLoad } from '../../master/catalog/load-transitions.ts';
import { promote, rollback, setKeep } from '../../master/catalog/version-transitions.ts';
import { lossOfRemoval } from '../../master/core/removal.ts';
import { unpause } from './sim-clock.ts';
import type { SimProcess } from './sim-clock.ts';
import { SimDatanode } from './sim-datanode.ts';
import { TORN } from './sim-disk.ts';
import { ABSENT, KEYS, SHARDS } from './sim-segment.ts';
import type { DatanodePort, MasterPort, ReadAnswer, SimWorld } from './sim-world.ts';

const KEYSPACES = ['prices', 'scores'];
const DATANODES_MAX = 6;
/** What is told of a version; nothing goes by it. */
const COPIES = { least: 1, wanted: 1 };
const READ_DEADLINE_MS = 1_000;
/** Of a write. */
const STRIKE_CHANCE = 0.005;

type Action = readonly [weight: number, name: string, run: (sim: SimWorld) => void];

const FAULTS: readonly Action[] = [
  [6, 'crash datanode', crashDatanode],
  [3, 'pause datanode', pauseDatanode],
  [2, 'crash master', crashMaster],
  [2, 'pause master', (sim) => pauseFor(sim, sim.master, sim.random.int(200, 4_000))],
  [1, 'restore', restoreCatalog],
  [3, 'cut a link', cutLink],
  [2, 'bad network', badNetwork],
  [1, 'empty disk', emptyDisk],
  [2, 'rot', rot],
];

const OPERATIONS: readonly Action[] = [
  [6, 'load', (sim) => sim.loader.load(keyspaceOf(sim), 'REPLACE')],
  [6, 'append', (sim) => sim.loader.load(keyspaceOf(sim), 'APPEND')],
  [2, 'drain', (sim) => withNode(sim, (id) => sim.operate((state) => setDrain(state, id, true)))],
  [3, 'resume', (sim) => withNode(sim, (id) => sim.operate((state) => setDrain(state, id, false)))],
  [1, 'join', joinNode],
  [1, 'remove', removeDead],
  [1, 'suspend', (sim) => sim.operate((state) => suspendKeyspace(state, keyspaceOf(sim)))],
  [2, 'wake', (sim) => sim.operate((state) => resumeKeyspace(state, keyspaceOf(sim)))],
  [1, 'drop', dropOne],
  [1, 'replicate', replicate],
  [1, 'another ring', anotherRing],
  [2, 'swap under an append', swapUnderAppend],
  [2, 'roll back', rollBack],
  [1, 'promote', promoteOne],
  [
    1,
    'keep',
    (sim) => sim.operate((state) => setKeep(state, keyspaceOf(sim), sim.random.int(2, 5))),
  ],
];

export function actAtRandom(sim: SimWorld): void {
  const actions = sim.random.chance(0.5) ? FAULTS : OPERATIONS;
  let left = sim.random.int(
    0,
    actions.reduce((sum, [weight]) => sum + weight, 0),
  );
  for (const [weight, name, run] of actions) {
    left -= weight;
    if (left >= 0) continue;
    sim.note(name);
    return run(sim);
  }
}

function keyspaceOf(sim: SimWorld): string {
  return sim.random.pick(KEYSPACES) ?? '';
}

function withNode(sim: SimWorld, run: (id: string) => void): void {
  const id = sim.random.pick([...sim.master.durable.node.keys()]);
  if (id !== undefined) run(id);
}

function datanode(
  sim: SimWorld,
  isMeant: (node: DatanodePort) => boolean,
): DatanodePort | undefined {
  return sim.random.pick([...sim.datanodes.values()].filter(isMeant));
}

function crashDatanode(sim: SimWorld): void {
  const node = datanode(sim, ({ alive }) => alive);
  if (node === undefined) return;
  crash(sim, node);
  restartLater(sim, node, sim.random.int(100, 12_000));
}

function crash(sim: SimWorld, node: DatanodePort): void {
  node.crash();
  sim.judge.crashed();
}

/** Between the write of a file and its sync, now and then. */
export function strike(sim: SimWorld, node: DatanodePort): boolean {
  if (!sim.random.chance(STRIKE_CHANCE)) return false;
  sim.note('strike');
  crash(sim, node);
  restartLater(sim, node, sim.random.int(100, 5_000));
  return true;
}

function restartLater(sim: SimWorld, process: DatanodePort | MasterPort, delayMs: number): void {
  sim.clock.after(delayMs, undefined, () => {
    if (!process.alive) process.start();
  });
}

function pauseDatanode(sim: SimWorld): void {
  const node = datanode(sim, ({ alive, paused }) => alive && !paused);
  if (node !== undefined) pauseFor(sim, node, sim.random.int(300, 8_000));
}

function pauseFor(sim: SimWorld, process: SimProcess, delayMs: number): void {
  if (!process.alive || process.paused) return;
  process.paused = true;
  const { life } = process;
  sim.clock.after(delayMs, undefined, () => {
    if (process.life === life && process.paused) unpause(process);
  });
}

function crashMaster(sim: SimWorld): void {
  if (!sim.master.alive) return;
  sim.master.crash();
  restartLater(sim, sim.master, sim.random.int(100, 5_000));
}

/**
 * The master's catalog goes back to a backup, which lacks the last changes. One that names files which have been
 * allowed to go since is of no use to anybody, and is not put back.
 */
function restoreCatalog(sim: SimWorld): void {
  const { judge, master } = sim;
  if (!master.alive) return;
  master.crash();
  const needed = judge.needed();
  const usable = master.backups.filter((backup) =>
    [...judge.needed(backup)].every((name) => needed.has(name)),
  );
  master.restore(sim.random.pick(usable) ?? master.durable);
}

function cutLink(sim: SimWorld): void {
  const ids = ['master', 'loader', ...sim.datanodes.keys()];
  const from = sim.random.pick(ids);
  const to = sim.random.pick(ids);
  const cuts = [`${from}>${to}`, ...(sim.random.chance(0.5) ? [`${to}>${from}`] : [])];
  for (const cut of cuts) sim.network.cuts.add(cut);
  sim.clock.after(sim.random.int(300, 8_000), undefined, () => {
    for (const cut of cuts) sim.network.cuts.delete(cut);
  });
}

function badNetwork(sim: SimWorld): void {
  const { faults } = sim.network;
  faults.loss = sim.random.int(0, 30) / 100;
  faults.duplication = sim.random.int(0, 30) / 100;
  faults.longDelayMs = sim.random.int(100, 6_000);
  sim.clock.after(sim.random.int(500, 6_000), undefined, () => calmNetwork(sim));
}

export function calmNetwork(sim: SimWorld): void {
  Object.assign(sim.network.faults, { loss: 0, duplication: 0, longDelayMs: 0 });
}

/** Back with nothing; not while a load counts on it, or where it has the last good copy of anything. */
function emptyDisk(sim: SimWorld): void {
  const node = datanode(sim, ({ alive }) => alive);
  if (node === undefined || sim.loader.running > 0) return;
  const needed = sim.judge.needed();
  const isLast = [...node.disk.files.keys()].some(
    (name) => needed.has(name) && sim.judge.goodCopies(name) < 2,
  );
  if (isLast) return;
  node.crash();
  node.disk.files.clear();
  sim.emptiedAtMs = sim.clock.nowMs;
  restartLater(sim, node, sim.random.int(100, 5_000));
}

function rot(sim: SimWorld): void {
  const node = datanode(sim, ({ disk }) => disk.files.size > 0);
  const name = sim.random.pick([...(node?.disk.files.keys() ?? [])]);
  const file = node?.disk.files.get(name ?? '');
  if (name === undefined || file?.synced !== true || sim.loader.running > 0) return;
  if (sim.judge.goodCopies(name) >= 2) Object.assign(file, { content: TORN, rotten: true });
}

function joinNode(sim: SimWorld): void {
  if (sim.datanodes.size >= DATANODES_MAX) return;
  const number = sim.datanodes.size + 1;
  const node = new SimDatanode(sim, `n${number}`, sim.placeOf(number));
  sim.datanodes.set(node.id, node);
  node.start();
}

/** As `stele node remove`: only what is silent, and what loses nothing. */
function removeDead(sim: SimWorld): void {
  const { master } = sim;
  const dead = [...master.state.nodes.values()].find((node) => node.liveness === 'DOWN');
  if (dead === undefined || lossOfRemoval(master.state.world, dead.id).length > 0) return;
  sim.operate(
    (state) => removeNode(state, dead.id),
    () => master.removeNode(dead.id),
  );
}

function dropOne(sim: SimWorld): void {
  const name = keyspaceOf(sim);
  sim.operate((state) => {
    const transition = dropKeyspace(state, name, '');
    sim.dropped.add(transition.result.uid);
    return transition;
  });
}

/** Never to a single copy: then one fault is allowed to lose it. */
function replicate(sim: SimWorld): void {
  const replication = sim.random.pick([0, 2, 3, 4]) ?? 0;
  sim.operate((state) => setReplication(state, keyspaceOf(sim), replication));
}

/** Only to what is covered, as operations.ts sees to. */
function rollBack(sim: SimWorld): void {
  sim.operate((state) => rollback(state, keyspaceOf(sim), 0));
}

/** Another version becomes current while an append is on its way. */
/** In the product a start of the master does that. */
function anotherRing(sim: SimWorld): void {
  sim.operate((state) => setVirtualNodes(state, sim.random.int(1, SHARDS + 1)));
}

function swapUnderAppend(sim: SimWorld): void {
  const keyspace = keyspaceOf(sim);
  sim.loader.load(keyspace, 'APPEND');
  sim.clock.after(sim.random.int(20, 120), undefined, () => {
    sim.operate((state) => rollback(state, keyspace, 0));
  });
}

function promoteOne(sim: SimWorld): void {
  sim.operate((state) => promote(state, keyspaceOf(sim), sim.random.int(1, 6), COPIES));
}

/** Loads that nobody waits for any more. */
export function cancelLoads(sim: SimWorld): void {
  for (const load of sim.master.durable.load.values()) {
    if (load.state !== 'RUNNING') continue;
    sim.operate((state) => cancelLoad(state, load.id, { reason: '', nowIso: '' }));
  }
}

/** One read, by somebody who goes by the view of some datanode, which may be an old one. */
export function readAtRandom(sim: SimWorld): void {
  const { clock, judge, network, random } = sim;
  const view = datanode(sim, ({ cluster }) => cluster.view !== undefined)?.cluster.view;
  const keyspace = random.pick(view?.keyspaces ?? []);
  const version = random.chance(0.8)
    ? keyspace?.currentVersion
    : random.pick(keyspace?.versions ?? []);
  if (view === undefined || keyspace === undefined || !version) return;
  const shard = random.int(0, SHARDS);
  const route = view.routes[shard]?.nodes ?? [];
  const node = random.chance(0.8)
    ? sim.datanodes.get(view.nodes[random.pick(route) ?? -1]?.id ?? '')
    : datanode(sim, () => true);
  if (node === undefined) return;
  const key = random.chance(0.9) ? (random.pick(KEYS) ?? ABSENT) : ABSENT;
  const ref = `${keyspace.uid}/${version}`;
  network.call<ReadAnswer>(
    sim.reader,
    node,
    READ_DEADLINE_MS,
    (answer) =>
      node.onRead(keyspace.uid, version, shard, key, (got) => {
        if (got.ok) judge.answered(node, ref, shard, key, got.value);
        answer(got);
      }),
    () => void clock.nowMs,
  );
}
