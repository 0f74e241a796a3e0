// What `stele upgrade check` finds in a cluster: it asks the masters, and judges their answers.

import { STELE_VERSION } from '../../base/process/build-version.ts';
import { SEGMENT_FORMATS } from '../../datanode/storage/segment-formats.ts';
import { RECORD_FORMAT } from '../../master/catalog/records.ts';
import { checkMaster } from '../doctor/cluster.ts';
import { found } from '../doctor/finding.ts';
import type { Finding } from '../doctor/finding.ts';
import { withAdmin } from '../with-admin.ts';
import type { Admin, ConnectSettings } from '../with-admin.ts';
import { checkFacts } from './checks.ts';
import type { ClusterFacts } from './checks.ts';
import { checkFormats, checkReleases } from './formats.ts';
import type { OwnRelease } from './formats.ts';
import { processesOf } from './releases.ts';

const OWN: OwnRelease = {
  release: STELE_VERSION,
  segment: SEGMENT_FORMATS,
  catalog: RECORD_FORMAT,
};

/** `goesBack`: this release is older than the cluster's on purpose. */
export async function checkUpgrade(
  settings: ConnectSettings,
  goesBack: boolean,
): Promise<readonly Finding[]> {
  const asked = await Promise.all(
    settings.master.split(',').map((master) => checkMaster({ ...settings, master }, true)),
  );
  const reached = asked.map(({ finding }) => finding);
  if (asked.every(({ health }) => health === undefined)) return reached;
  const judged = await found('cluster', async () => {
    const facts = await withAdmin(settings, factsOf);
    const processes = processesOf(facts, facts.health, settings.master);
    const all = [
      ...checkFacts(facts),
      ...checkReleases(processes, OWN, goesBack),
      ...checkFormats(facts.health.formats, OWN),
    ];
    // The last view does not tell the rest.
    return facts.health.noLeader === undefined ? all : all.slice(0, 1);
  });
  return [...reached, ...judged];
}

async function factsOf(admin: Admin): Promise<ClusterFacts> {
  const health = await admin.getHealth({ waitFor: 0, timeoutMs: 0 });
  if (health.noLeader !== undefined) {
    return { health, keyspaces: [], shards: [], loads: [], masters: [] };
  }
  const [{ keyspaces }, { shards }, { loads }, { masters }] = await Promise.all([
    admin.listKeyspaces(),
    admin.listShards(),
    admin.listLoads(),
    admin.listMasters(),
  ]);
  return { health, keyspaces, shards, loads, masters };
}
