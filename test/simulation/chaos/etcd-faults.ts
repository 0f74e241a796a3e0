// Faults of several masters, and of what is between them and their etcd.

import type { Cluster, Several } from '../cluster/cluster.ts';
import { pauseFor, restartLater } from './interruptions.ts';
import type { Action } from './pick.ts';

type Strike = (sim: Cluster, several: Several) => void;

export const ETCD_FAULTS: readonly Action[] = (
  [
    [3, 'stop the leader for longer than its lease', stopLeader],
    [3, 'cut a master off from etcd', cutOff],
    [
      2,
      'etcd refuses a master',
      ({ clock, random }, { etcd, masters }) => {
        const id = random.pick(masters)?.id ?? '';
        etcd.refusesUntilMs.set(id, clock.nowMs + random.int(100, 5_000));
      },
    ],
    [
      1,
      'etcd is gone',
      ({ clock, random }, { etcd }) => {
        etcd.refusesUntilMs.set('', clock.nowMs + random.int(100, 6_000));
      },
    ],
    [3, 'etcd answers late', answerLate],
    [2, 'compact etcd', (_sim, { etcd }) => etcd.store.compact()],
    [1, 'restore etcd', restoreEtcd],
    [2, 'end a master', endMaster],
    [1, 'crash any master', crashAny],
  ] as const satisfies readonly (readonly [number, string, Strike])[]
).map(([weight, name, strike]) => [
  weight,
  name,
  (sim: Cluster) => {
    if (sim.several !== undefined) strike(sim, sim.several);
  },
]);

/** Now and then so late that its connections are given up meanwhile. */
function answerLate({ clock, random }: Cluster, { etcd }: Several): void {
  const lateMs = random.int(300, 6_000);
  etcd.hangsUntilMs = clock.nowMs + lateMs;
  for (let time = random.int(0, 3); time > 0; time--) {
    clock.after(random.int(0, lateMs), undefined, () => etcd.disconnect());
  }
}

function stopLeader(sim: Cluster): void {
  pauseFor(sim, sim.master, sim.random.int(1_500, 4_500));
}

/** In one direction or both: calls are lost, or their answers and the events of watches. */
function cutOff({ clock, master, network, random }: Cluster, { masters }: Several): void {
  const { id } = random.chance(0.6) ? master : (random.pick(masters) ?? master);
  const both = [`${id}>etcd`, `etcd>${id}`];
  const cuts = random.chance(0.4) ? both : [random.pick(both) ?? ''];
  for (const cut of cuts) network.cuts.add(cut);
  clock.after(random.int(300, 7_000), undefined, () => {
    for (const cut of cuts) network.cuts.delete(cut);
  });
}

/**
 * The way etcd is restored: all masters are ended before, and started afterwards. A backup that
 * names files which were deleted since then is useless.
 */
function restoreEtcd(sim: Cluster, { etcd, masters }: Several): void {
  const { judge, random } = sim;
  const needed = judge.needed();
  const usable = etcd.backups.filter(({ stored }) =>
    [...judge.needed(stored.catalog)].every((name) => needed.has(name)),
  );
  const backup = random.pick(usable);
  if (backup === undefined) return;
  for (const master of masters) if (master.alive) master.crash();
  etcd.restore(backup);
  judge.restored(backup.stored.catalog);
  for (const master of masters) master.start();
}

function endMaster(sim: Cluster, { masters }: Several): void {
  const master = sim.random.chance(0.5) ? undefined : sim.random.pick(masters);
  const ended = master ?? masters.find(({ id }) => id === sim.master.id);
  if (ended === undefined || !ended.alive || ended.paused) return;
  ended.end();
  restartLater(sim, ended, sim.random.int(3_100, 6_000));
}

function crashAny(sim: Cluster, { masters }: Several): void {
  const master = sim.random.pick(masters);
  if (master === undefined || !master.alive) return;
  master.crash();
  restartLater(sim, master, sim.random.int(100, 5_000));
}
