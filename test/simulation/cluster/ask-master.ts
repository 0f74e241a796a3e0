// What loaders, operators and datanodes ask of a master, over the simulated network. Of several
// masters, any may be asked: one that follows passes it on.

import { SteleError, toSteleError } from '../../../base/errors.ts';
import { runAs } from '../../../master/callers/actor.ts';
import type { LeaderCalls } from '../../../proto/operations.ts';
import type { SimProcess } from '../world/clock.ts';
import type { Cluster, MasterProcess } from './cluster.ts';

/** `who` is noted with what it changes. */
export function askMaster<Value>(
  cluster: Cluster,
  from: SimProcess,
  who: string,
  deadlineMs: number,
  question: (seat: LeaderCalls) => Promise<Value>,
): Promise<Value> {
  const master = anyMaster(cluster);
  return new Promise((resolve, reject) => {
    cluster.network.call<Value>(
      from,
      master,
      deadlineMs,
      async () => {
        const { seat } = master;
        if (seat === undefined) throw new SteleError('UNAVAILABLE', 'The master is starting.');
        return runAs({ door: 'grpc', address: '', who }, () => question(seat)).catch(
          (thrown: unknown) => {
            throw toSteleError(thrown);
          },
        );
      },
      (answer) => (answer.ok ? resolve(answer.value) : reject(answer.error)),
    );
  });
}

/** Mostly the one that leads. */
function anyMaster({ master, masters, random }: Cluster): MasterProcess {
  if (masters.length === 1 || random.chance(0.7)) return master;
  return random.pick(masters) ?? master;
}
