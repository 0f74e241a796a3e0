// What happens next in a simulation: one of several actions, by weight.

import type { Cluster } from '../cluster/cluster.ts';

export type Action = readonly [weight: number, name: string, run: (sim: Cluster) => void];

const KEYSPACES = ['prices', 'scores'];

export function keyspaceAtRandom({ random }: Cluster): string {
  return random.pick(KEYSPACES) ?? '';
}

export function pickAction(sim: Cluster, actions: readonly Action[]): void {
  const total = actions.reduce((sum, [weight]) => sum + weight, 0);
  let left = sim.random.int(0, total);
  for (const [weight, name, run] of actions) {
    left -= weight;
    if (left >= 0) continue;
    sim.note(name);
    return run(sim);
  }
}
