// How one simulated master reaches another one: in the place of gRPC (master/candidate/peers.ts),
// the simulated network.

import { toSteleError, SteleError } from '../../../base/errors.ts';
import { currentActor, runAs } from '../../../master/callers/actor.ts';
import type { MasterPeers } from '../../../master/candidate/peers.ts';
import type { ClusterView } from '../../../proto/gen/stele/v1/view.ts';
import type { LeaderCalls } from '../../../proto/operations.ts';
import type { SimProcess } from '../world/clock.ts';
import type { Cluster } from './cluster.ts';
import type { SimCandidate } from './candidate.ts';

const DEADLINE_MS = 10_000;
const VIEW_DEADLINE_MS = 1_000;
/** A view that has come is looked after again so much later. */
const VIEW_AGAIN_MS = 200;

type Group = keyof LeaderCalls;

/** Of the present life of `from`. */
export function peersOf(cluster: Cluster, from: SimProcess): MasterPeers {
  const viewOf = (address: string): Promise<ClusterView> =>
    ask(cluster, from, address, VIEW_DEADLINE_MS, async ({ operations }) => operations.current());
  return {
    viewOf,
    connect: (address) => ({
      operations: passing(cluster, from, address, 'operations'),
      registrar: passing(cluster, from, address, 'registrar'),
      loads: passing(cluster, from, address, 'loads'),
      access: passing(cluster, from, address, 'access'),
      close: () => undefined,
    }),
    follow: (address, handlers) => {
      let isStopped = false;
      const again = (): void => {
        cluster.clock.after(VIEW_AGAIN_MS, from, () => {
          if (!isStopped) look();
        });
      };
      const look = (): void =>
        void viewOf(address)
          .then((view) => {
            if (!isStopped) handlers.onView(view);
          })
          .catch(() => {
            if (!isStopped) handlers.onLost();
          })
          .then(again);
      look();
      return () => {
        isStopped = true;
      };
    },
  };
}

/** Calls of one group, in the name of who asked, and not to be passed on again. */
function passing<Name extends Group>(
  cluster: Cluster,
  from: SimProcess,
  address: string,
  group: Name,
): LeaderCalls[Name] {
  const get =
    (_target: object, name: string | symbol) =>
    (...words: unknown[]): Promise<unknown> => {
      const caller = { ...currentActor(), mustLead: true };
      return ask(cluster, from, address, DEADLINE_MS, (seat) =>
        runAs(caller, async () => {
          const calls = seat[group] as unknown as Record<
            string | symbol,
            (...all: unknown[]) => unknown
          >;
          return calls[name]?.(...words);
        }),
      );
    };
  return new Proxy({}, { get }) as LeaderCalls[Name];
}

function ask<Value>(
  { masters, network }: Cluster,
  from: SimProcess,
  address: string,
  deadlineMs: number,
  question: (seat: NonNullable<SimCandidate['seat']>) => Promise<Value>,
): Promise<Value> {
  const to = (masters as readonly SimCandidate[]).find((master) => master.address === address);
  if (to === undefined) throw new Error(`Nobody was ever at ${address}.`);
  return new Promise((resolve, reject) => {
    network.call<Value>(
      from,
      to,
      deadlineMs,
      async () => {
        if (to.seat === undefined) throw new SteleError('UNAVAILABLE', `${to.id} is starting.`);
        return question(to.seat).catch((thrown: unknown) => {
          throw toSteleError(thrown);
        });
      },
      (answer) => {
        if (answer.ok) resolve(answer.value);
        else if (answer.error.code !== 'DEADLINE_EXCEEDED') reject(answer.error);
        else reject(new SteleError('OUTCOME_UNKNOWN', `${to.id} has not answered.`));
      },
    );
  });
}
