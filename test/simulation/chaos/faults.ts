// Faults that strike a simulated cluster. Each is chosen by chance, and looks first whether it may:
// a fault that destroys the last good copy of something would prove nothing.

import { openSegment } from '../../../segment/reader.ts';
import type { Cluster, Single } from '../cluster/cluster.ts';
import type { SimDatanode } from '../cluster/datanode.ts';
import { ETCD_FAULTS } from './etcd-faults.ts';
import { pauseFor, restartLater } from './interruptions.ts';
import { keyspaceAtRandom, pickAction } from './pick.ts';
import type { Action } from './pick.ts';

/** Of a sync. */
const STRIKE_CHANCE = 0.002;

const FAULTS: readonly Action[] = [
  [6, 'crash datanode', crashDatanode],
  [3, 'pause datanode', pauseDatanode],
  [2, 'crash master', crashMaster],
  [3, 'stall master', stallMaster],
  [1, 'restore', onlyOf(restoreCatalog)],
  [3, 'cut a link', cutLink],
  [2, 'bad network', badNetwork],
  [1, 'empty disk', emptyDisk],
  [4, 'rot', rot],
  [2, 'hang a disk', hangDisk],
  [1, 'fail a disk', failDisk],
  [1, 'fill a disk', fillDisk],
  [2, 'throw in the master', throwInMaster],
  [1, 'hang the metadata', onlyOf(hangMetadata)],
  [1, 'fail the metadata', onlyOf(failMetadata)],
  [1, 'end a lease in a commit', endLease],
];

const BUCKET_FAULTS: readonly Action[] = [
  [3, 'lose all disks', loseAllDisks],
  [2, 'fail the bucket', failBucket],
  [2, 'hang the bucket', hangBucket],
];

export function faultAtRandom(sim: Cluster): void {
  const ofMasters = sim.several === undefined ? [] : ETCD_FAULTS;
  const ofBucket = sim.bucket === undefined ? [] : BUCKET_FAULTS;
  pickAction(sim, [...FAULTS, ...ofMasters, ...ofBucket]);
}

/** A fault of the only master's store. */
function onlyOf(run: (sim: Cluster, single: Single) => void): Action[2] {
  return (sim) => {
    if (sim.single !== undefined) run(sim, sim.single);
  };
}

export function anyDatanode(
  sim: Cluster,
  isMeant: (node: SimDatanode) => boolean,
): SimDatanode | undefined {
  return sim.random.pick([...sim.datanodes.values()].filter(isMeant));
}

/** Best while it waits for an answer. */
function stallMaster(sim: Cluster, tries = 0): void {
  const { clock, datanodes, master, random } = sim;
  const isAsking = [...datanodes.values()].some(({ calls }) =>
    [...calls].some(({ from }) => from === master),
  );
  if (isAsking || tries > 300) pauseFor(sim, master, random.int(200, 5_000));
  else clock.after(2, undefined, () => stallMaster(sim, tries + 1));
}

function crashDatanode(sim: Cluster): void {
  const node = anyDatanode(sim, ({ alive }) => alive);
  if (node === undefined) return;
  node.crash();
  restartLater(sim, node, sim.random.int(100, 12_000));
}

/** Between the write of a file and its sync, now and then. */
export function strike(sim: Cluster, node: SimDatanode): boolean {
  if (!sim.random.chance(STRIKE_CHANCE)) return false;
  sim.note('strike');
  node.crash();
  restartLater(sim, node, sim.random.int(100, 5_000));
  return true;
}

function pauseDatanode(sim: Cluster): void {
  const node = anyDatanode(sim, ({ alive, paused }) => alive && !paused);
  if (node !== undefined) pauseFor(sim, node, sim.random.int(300, 8_000));
}

function crashMaster(sim: Cluster): void {
  if (!sim.master.alive) return;
  sim.master.crash();
  restartLater(sim, sim.master, sim.random.int(100, 5_000));
}

/**
 * Restores the master's store from a backup, which lacks the last changes. A backup that names
 * files which were deleted since then is useless, and is not restored.
 */
function restoreCatalog({ judge, random }: Cluster, { master, store }: Single): void {
  if (!master.alive) return;
  master.crash();
  const needed = judge.needed();
  const usable = store.backups.filter(({ catalog }) =>
    [...judge.needed(catalog)].every((name) => needed.has(name)),
  );
  master.restore(random.pick(usable) ?? store.stored);
}

function cutLink(sim: Cluster): void {
  const masters = sim.masters.map(({ id }) => id);
  const ids = [...masters, 'loader', ...sim.datanodes.keys()];
  const from = sim.random.pick(ids);
  const to = sim.random.pick(ids);
  const cuts = [`${from}>${to}`, ...(sim.random.chance(0.5) ? [`${to}>${from}`] : [])];
  for (const cut of cuts) sim.network.cuts.add(cut);
  sim.clock.after(sim.random.int(300, 8_000), undefined, () => {
    for (const cut of cuts) sim.network.cuts.delete(cut);
  });
}

function badNetwork(sim: Cluster): void {
  const { faults } = sim.network;
  faults.loss = sim.random.int(0, 30) / 100;
  faults.duplication = sim.random.int(0, 30) / 100;
  faults.longDelayMs = sim.random.int(100, 6_000);
  sim.clock.after(sim.random.int(500, 6_000), undefined, () => calmNetwork(sim));
}

function calmNetwork(sim: Cluster): void {
  Object.assign(sim.network.faults, { loss: 0, duplication: 0, longDelayMs: 0 });
}

/**
 * Back with nothing; not while a load counts on it, or where it has the last good copy of anything.
 */
function emptyDisk(sim: Cluster): void {
  const node = anyDatanode(sim, ({ alive }) => alive);
  if (node === undefined || sim.loader.running > 0) return;
  const needed = sim.judge.needed();
  const comesBack = sim.judge.comesBack();
  for (const [name] of node.segmentFiles()) {
    const others = sim.judge.goodCopies(name) - Number(sim.judge.isDurableOn(node, name));
    if (needed.has(name) && others < 1 && !comesBack.has(name)) return;
  }
  node.crash();
  node.disk.wipe();
  sim.emptiedAtMs = sim.clock.nowMs;
  restartLater(sim, node, sim.random.int(100, 5_000));
}

/** Of all datanodes at once, if the deep store has what is needed. */
function loseAllDisks(sim: Cluster): void {
  if (sim.loader.running > 0) return;
  const comesBack = sim.judge.comesBack();
  if ([...sim.judge.needed()].some((name) => !comesBack.has(name))) return;
  sim.note('all disks are lost');
  sim.emptiedAtMs = sim.clock.nowMs;
  for (const node of sim.datanodes.values()) {
    if (node.alive) node.crash();
    node.disk.wipe();
    restartLater(sim, node, sim.random.int(100, 5_000));
  }
}

function failBucket({ bucket, clock, random }: Cluster): void {
  if (bucket === undefined) return;
  bucket.failure = random.int(1, 10) / 10;
  clock.after(random.int(300, 6_000), undefined, () => {
    bucket.failure = 0;
  });
}

function hangBucket({ bucket, clock, random }: Cluster): void {
  if (bucket !== undefined) bucket.hangsUntilMs = clock.nowMs + random.int(300, 9_000);
}

/** One bit of a file, of a segment that another node has as well. */
function rot(sim: Cluster): void {
  const { book, judge, random } = sim;
  const node = anyDatanode(sim, (one) => [...one.segmentFiles()].length > 0);
  const [name, file] = random.pick([...(node?.segmentFiles() ?? [])]) ?? ['', undefined];
  if (node === undefined || file === undefined) return;
  const isGood = file.durable === file.bytes && book.isIntact(name, file.bytes);
  if (!isGood || judge.goodCopies(name) < 2) return;
  const bytes = Buffer.from(file.bytes);
  const { recordsEnd, recordsStart } = openSegment(bytes);
  // The format number, which says how to read the rest, and the records, as often as all else.
  const [from, to] = random.pick([
    [0, 16],
    [recordsStart, recordsEnd],
    [0, bytes.length],
  ] as const) ?? [0, 0];
  const at = random.int(from, to);
  bytes[at] = (bytes[at] ?? 0) ^ (1 << random.int(0, 8));
  // Before its scrubber comes by, it may be started again.
  const isRestarted = node.alive && random.chance(0.5);
  if (isRestarted) node.crash();
  Object.assign(file, { bytes, durable: bytes });
  judge.rotted(node, name);
  if (isRestarted) restartLater(sim, node, random.int(10, 500));
}

function forAWhile(sim: Cluster, node: SimDatanode, delayMs: number): void {
  sim.clock.after(delayMs, undefined, () => node.disk.heal());
}

function hangDisk(sim: Cluster): void {
  const node = anyDatanode(sim, ({ disk }) => !disk.isHung);
  if (node === undefined) return;
  node.disk.hang();
  forAWhile(sim, node, sim.random.int(300, 15_000));
}

function failDisk(sim: Cluster): void {
  const node = anyDatanode(sim, ({ disk }) => disk.failure === 0);
  if (node === undefined) return;
  node.disk.failure = sim.random.int(1, 10) / 10;
  forAWhile(sim, node, sim.random.int(300, 6_000));
}

function fillDisk(sim: Cluster): void {
  const node = anyDatanode(sim, ({ disk }) => !disk.isFull);
  if (node === undefined) return;
  node.disk.isFull = true;
  forAWhile(sim, node, sim.random.int(300, 6_000));
}

/** Turns, listeners of views and handlers of heartbeats throw now and then. */
function throwInMaster(sim: Cluster): void {
  sim.throwsUntilMs = sim.clock.nowMs + sim.random.int(500, 5_000);
}

function hangMetadata(sim: Cluster, { store }: Single): void {
  store.hangsUntilMs = sim.clock.nowMs + sim.random.int(300, 9_000);
}

function failMetadata(sim: Cluster, { store }: Single): void {
  store.failure = sim.random.int(1, 10) / 10;
  sim.clock.after(sim.random.int(300, 5_000), undefined, () => {
    store.failure = 0;
  });
}

/**
 * A loader falls silent, the datanodes take long to measure what it appends, and another load
 * begins.
 */
function endLease(sim: Cluster): void {
  const { clock, loader, random } = sim;
  const keyspace = keyspaceAtRandom(sim);
  loader.silentUntilMs = clock.nowMs + 14_000;
  sim.slowUntilMs = clock.nowMs + 1_000;
  loader.load(keyspace, 'APPEND');
  for (let attempt = 0; attempt < 4; attempt++) {
    const delayMs = 10_000 + attempt * random.int(50, 700);
    clock.after(delayMs, undefined, () => loader.load(keyspace, 'REPLACE'));
  }
}

/** No fault goes on. */
export function healAll(sim: Cluster): void {
  sim.network.cuts.clear();
  calmNetwork(sim);
  sim.throwsUntilMs = 0;
  sim.loader.silentUntilMs = 0;
  Object.assign(sim.metadata, { hangsUntilMs: 0, failure: 0 });
  sim.etcd?.refusesUntilMs.clear();
  if (sim.bucket !== undefined) Object.assign(sim.bucket, { failure: 0, hangsUntilMs: 0 });
  for (const { disk } of sim.datanodes.values()) disk.heal();
  for (const process of [...sim.masters, ...sim.datanodes.values()]) {
    if (!process.alive) process.start();
    else if (process.paused) sim.clock.unpause(process);
  }
}

/** Notes where anything is out of order just now: for what is only wrong where nothing is. */
export function noteTroubles({
  clock,
  datanodes,
  judge,
  master,
  network,
  throwsUntilMs,
}: Cluster): void {
  const isMasterWell = master.plane !== undefined && clock.nowMs >= throwsUntilMs;
  const { longDelayMs, loss } = network.faults;
  if (!isMasterWell || loss + longDelayMs > 0) judge.troubled('');
  for (const node of datanodes.values()) {
    const isUp = node.alive && !node.paused && node.node !== undefined;
    if (!isUp || !network.isWhole(master, node)) judge.troubled(node.id);
  }
}
