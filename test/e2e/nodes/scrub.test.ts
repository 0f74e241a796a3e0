// Bytes rot in the files of a running cluster: they are detected, quarantined, repaired, and never
// served.

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestCluster } from '../../support/process/cluster.ts';
import { Reader, stopWithoutFailures } from '../../support/readers/reader.ts';
import { VersionedRows } from '../../support/inputs/rows.ts';
import { flipBit, segmentFiles } from '../../support/segments/segment-files.ts';
import type { FileOnDisk } from '../../support/segments/segment-files.ts';
import { connectCluster, respSource } from '../../support/readers/sources.ts';
import { until } from '../../support/process/stele-process.ts';

const NODES = ['node-0', 'node-1', 'node-2'] as const;
const rows = new VersionedRows(3000);
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.holding(rows, ['numbers'], {
    shards: 8,
    datanodeFlags: ['--scrub-bytes-per-second', '1GiB', '--scrub-interval', '200ms'],
  });
}, 60_000);

afterAll(() => cluster?.close(), 30_000);

async function metric(id: string, name: string): Promise<number> {
  const { host, http } = cluster.node(id);
  const text = await (await fetch(`http://${host}:${http}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\d+)`, 'm').exec(text)?.[1] ?? -1);
}

const quarantined = (id: string): number =>
  readdirSync(join(cluster.folder, id, 'quarantine')).length;

test('a flipped bit in a file of each running datanode is repaired within 30 s, under readers', async () => {
  const source = respSource(
    'GET from the datanodes',
    connectCluster(
      NODES.map((id) => cluster.node(id)),
      'numbers',
    ),
  );
  const reader = new Reader([source], {
    rows,
    version: 1,
    seed: 7,
  });
  const victims = NODES.map((id, index) => {
    const files = segmentFiles(join(cluster.folder, id));
    const file = files[index % files.length] as FileOnDisk;
    return { id, path: file.path, good: readFileSync(file.path) };
  });
  await reader.progress(50);
  victims.forEach(({ good, path }, index) =>
    flipBit(path, Math.floor(good.length * (0.3 + index / 5))),
  );
  await until(
    'all files to be repaired',
    () => victims.every(({ good, id, path }) => quarantined(id) === 1 && isSame(path, good)),
    30_000,
  );
  for (const { id } of victims) {
    await until('its metrics', async () => (await metric(id, 'stele_scrub_repaired_total')) === 1);
    expect(await metric(id, 'stele_scrub_found_total')).toBe(1);
    expect(await metric(id, 'stele_quarantined_total')).toBe(1);
    expect(await metric(id, 'stele_scrub_last_pass_timestamp_seconds')).toBeGreaterThan(1e9);
  }
  await cluster.status('green');
  await reader.progress(50);
  await stopWithoutFailures([reader]);
}, 60_000);

test('the repaired files are intact after a restart', async () => {
  for (const id of NODES) {
    await cluster.kill(id);
    await cluster.startNode(id);
  }
  await cluster.nodesServing(NODES.length);
  await cluster.status('green');
  for (const id of NODES) expect(await metric(id, 'stele_quarantined_total')).toBe(0);
}, 60_000);

/** Between quarantine and rewriting there is no file. */
function isSame(path: string, good: Buffer): boolean {
  try {
    return readFileSync(path).equals(good);
  } catch {
    return false;
  }
}
