// The masters that run, each asked which view it serves.

import type { ListMastersResponse, MasterSummary } from '../../proto/gen/stele/v1/cluster.ts';
import type { ClusterView } from '../../proto/gen/stele/v1/view.ts';
import { toSteleError } from '../../base/errors.ts';
import type { LeaderInfo } from '../metadata/etcd/election.ts';
import type { RunningMaster } from '../metadata/etcd/registry.ts';
import type { MasterPeers } from './peers.ts';

/** The leader first. A master that does not answer is listed with the reason. */
export async function describeMasters(
  running: readonly RunningMaster[],
  leader: LeaderInfo | undefined,
  { viewOf }: Pick<MasterPeers, 'viewOf'>,
): Promise<ListMastersResponse> {
  const asked = await Promise.all(running.map((master) => ask(master, viewOf)));
  const newest = asked.reduce((highest, { view }) => Math.max(highest, view?.epoch ?? 0), 0);
  const revision = asked.reduce(
    (highest, { view }) => (view?.epoch === newest ? Math.max(highest, view.revision) : highest),
    0,
  );
  const masters = asked.map(({ address, release, since, trouble, view }): MasterSummary => {
    const leads = address === leader?.address;
    const lag = revision - (view?.epoch === newest ? view.revision : 0);
    const epoch = view?.epoch ?? 0;
    return {
      address,
      leads,
      since: leads ? leader.since : since,
      epoch,
      viewLag: view === undefined ? 0 : lag,
      trouble,
      release,
    };
  });
  masters.sort((left, right) => Number(right.leads) - Number(left.leads));
  return { masters };
}

async function ask(
  master: RunningMaster,
  viewOf: MasterPeers['viewOf'],
): Promise<RunningMaster & { view: ClusterView | undefined; trouble: string }> {
  try {
    return { ...master, view: await viewOf(master.address), trouble: '' };
  } catch (thrown) {
    return { ...master, view: undefined, trouble: toSteleError(thrown).message };
  }
}
