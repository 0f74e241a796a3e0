// The disk of one of three datanodes fills up during a load (row 12): the datanode reports it, the
// load continues with the others, reads are not affected, and the datanode gets its copies when it
// has space.

import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FaultCluster } from '../../support/faults/fault-cluster.ts';
import { Trials } from '../../support/faults/fault-table.ts';
import { SEED } from '../../support/faults/faults.ts';
import { VersionedRows } from '../../support/inputs/rows.ts';
import { segmentFiles } from '../../support/segments/segment-files.ts';
import { smallDisk } from '../../support/process/small-disk.ts';
import { expectAllRows } from '../../support/readers/sources.ts';
import { until } from '../../support/process/stele-process.ts';

const FULL = 'node-2';
const disk = smallDisk(64);
let faults: FaultCluster;

beforeAll(async () => {
  console.log(`  seed ${SEED}`);
  faults = await FaultCluster.start();
}, 120_000);

afterAll(async () => {
  await faults?.close();
  disk?.remove();
}, 60_000);

describe.skipIf(disk === undefined)('a datanode with a full disk', () => {
  const path = disk?.path ?? '';
  const filler = join(path, 'filler');

  async function trouble(): Promise<string | undefined> {
    const answer = (await faults.cluster.json('/v1/nodes')) as {
      nodes: { id: string; trouble: string }[];
    };
    return answer.nodes.find(({ id }) => id === FULL)?.trouble;
  }

  test('is reported, accepts no more segments, answers reads, and gets its copies in the end', async () => {
    const { cluster } = faults;
    const dataDir = join(path, FULL);
    await cluster.kill(FULL);
    // Restarted empty on the small disk; its data is copied to it again.
    await cluster.startNode(FULL, ['--data-dir', dataDir, '--disk-reserve', '1MiB']);
    await faults.whole();
    await until('its copies', () => segmentFiles(dataDir).length > 0);
    // During the load a datanode may be without CPU time for 150 ms. A cluster client that gives up
    // and retries then only adds load; no process hangs here, so it waits.
    const reader = await faults.read(undefined, undefined, undefined, 1000);
    const window = reader.begin();
    writeFileSync(filler, Buffer.alloc(56 * 1024 * 1024));
    disk?.resize(57);
    await until('the trouble to be told', async () => (await trouble()) === 'disk full');
    const held = segmentFiles(dataDir).length;
    const more = new VersionedRows(20_000);
    const file = join(cluster.folder, 'more.data');
    await more.write(file, 1);
    await cluster.load('more', [file], ['--replica-wait', '10s']);
    await expectAllRows(cluster.url(''), 'more', more, 1);
    expect(segmentFiles(dataDir)).toHaveLength(held);
    expect(await faults.stateOf(FULL)).toBe('serving');
    await cluster.status('green');
    const report = window.report();
    const freedMs = performance.now();
    disk?.resize(128);
    rmSync(filler);
    await until('room to be told', async () => (await trouble()) === '');
    await until('its copies of the load', () => segmentFiles(dataDir).length > held);
    await faults.whole();
    const trials = new Trials();
    trials.add(report, performance.now() - freedMs);
    await reader.stop();
    trials.handOver({
      row: '12',
      fault: 'the disk of one of three datanodes is full in a load',
      recovered: 'from room to its first copy',
      seen: 'told as disk full; the load commits with two copies on the others',
    });
    expect(trials.failures).toEqual([]);
  });
});
