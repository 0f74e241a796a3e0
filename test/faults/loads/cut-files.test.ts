// Files that a dying machine has truncated (row 14): of the master, whose catalog is stored twice,
// and of a datanode, whose segments have copies.

import { readdirSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DIRECT, FaultCluster, killNow, KEYSPACE } from '../../support/faults/fault-cluster.ts';
import { Trials } from '../../support/faults/fault-table.ts';
import { SEED, SHORT } from '../../support/faults/faults.ts';
import { seededRandom } from '../../support/inputs/rows.ts';
import { segmentFiles, segmentNames } from '../../support/segments/segment-files.ts';
import { expectAllRows } from '../../support/readers/sources.ts';
import { until } from '../../support/process/stele-process.ts';

/** How often each of the master's files is truncated. */
const CUTS = SHORT ? 1 : 10;
const NODE_TRIALS = SHORT ? 2 : 20;
const SEGMENTS_CUT = 5;
const MASTER_FILES = ['metadata/data.mdb', 'catalog-backup.json', 'catalog-backup.log'];
const random = seededRandom(SEED);
let faults: FaultCluster;

beforeAll(async () => {
  console.log(`  seed ${SEED}`);
  faults = await FaultCluster.start({ masterFlags: ['--repair-delay', '60s'] });
}, 120_000);

afterAll(() => faults?.close(), 60_000);

/** Truncates the file at a random place; returns the remaining part. */
function cut(path: string): number {
  const { size } = statSync(path);
  const left = Math.floor(random() * size);
  truncateSync(path, left);
  expect(statSync(path).size).toBeLessThan(size);
  return left;
}

async function catalog(): Promise<unknown> {
  const { cluster } = faults;
  return {
    keyspaces: await cluster.json('/v1/keyspaces'),
    versions: await cluster.json(`/v1/keyspaces/${KEYSPACE}/versions`),
    digest: await cluster.digest(KEYSPACE),
    placement: await cluster.placement(),
    files: faults.ids.map((id) => segmentFiles(faults.dataDir(id))),
  };
}

test(`each file of a killed master is truncated ${CUTS} times: it starts with the same catalog`, async () => {
  const { cluster } = faults;
  const before = await catalog();
  const reader = await faults.read([DIRECT]);
  const trials = new Trials();
  let setAside = 0;
  for (const name of MASTER_FILES.flatMap((file) => Array.from({ length: CUTS }, () => file))) {
    const window = reader.begin();
    await killNow(cluster, 'master');
    const left = cut(join(faults.dataDir('master'), name));
    const startedMs = performance.now();
    await cluster.startMaster();
    await faults.whole();
    await reader.drained();
    trials.add(window.report(), performance.now() - startedMs);
    expect(await catalog(), `${name} cut to ${left} bytes`).toEqual(before);
    const folders = readdirSync(faults.dataDir('master'));
    setAside = folders.filter((folder) => folder.startsWith('metadata.damaged-')).length;
  }
  await reader.stop();
  trials.handOver({
    row: '14',
    fault: 'kill -9 of the master, and its store, its backup or the log of that cut anywhere',
    recovered: 'from its start to GREEN',
    seen: `files were shorter; ${setAside} stores set aside, and made again from the backup; the same catalog, digest and placement`,
  });
  expect(trials.failures).toEqual([]);
});

test(`${SEGMENTS_CUT} segments of a killed datanode are truncated, ${NODE_TRIALS} times: they are fetched again`, async () => {
  const { cluster, ids, rows } = faults;
  const reader = await faults.read();
  const trials = new Trials();
  const names = ids.map((id) => segmentNames(faults.dataDir(id)));
  for (let trial = 0; trial < NODE_TRIALS; trial++) {
    const id = ids[Math.floor(random() * ids.length)] ?? 'node-0';
    await reader.progress(500);
    const window = reader.begin();
    await killNow(cluster, id);
    const files = segmentFiles(faults.dataDir(id));
    const at = Math.floor(random() * (files.length - SEGMENTS_CUT));
    const damaged = files.slice(at, at + SEGMENTS_CUT);
    expect(damaged).toHaveLength(SEGMENTS_CUT);
    for (const { path } of damaged) cut(path);
    const startedMs = performance.now();
    await cluster.startNode(id);
    await faults.whole();
    await until('all files to be there again', () =>
      damaged.every(({ identity, name }) =>
        segmentFiles(faults.dataDir(id)).some(
          (file) => file.name === name && file.identity !== identity,
        ),
      ),
    );
    await reader.drained();
    trials.add(window.report(), performance.now() - startedMs);
    const inQuarantine = readdirSync(join(faults.dataDir(id), 'quarantine'), { recursive: true });
    expect(inQuarantine.length).toBeGreaterThanOrEqual(SEGMENTS_CUT);
  }
  await reader.stop();
  expect(ids.map((id) => segmentNames(faults.dataDir(id)))).toEqual(names);
  await expectAllRows(cluster.url(''), KEYSPACE, rows, 1);
  trials.handOver({
    row: '14a',
    fault: `kill -9 of a datanode, and ${SEGMENTS_CUT} of its segments cut anywhere`,
    recovered: 'from its start to GREEN',
    seen: 'files were shorter; set aside and fetched again, and every value is right',
  });
  expect(trials.failures).toEqual([]);
});
