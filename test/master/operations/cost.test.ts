import { afterEach, beforeEach, expect, test } from 'vitest';
import { Tier } from '../../../proto/gen/stele/v1/view.ts';
import { ControlPlane } from '../control-plane.ts';
import type { FakeDatanode } from '../fake-datanodes.ts';

let plane: ControlPlane;
let nodes: FakeDatanode[];
/** Of one copy of a version. */
let fileBytes: number;
let records: number;

beforeEach(async () => {
  plane = new ControlPlane();
  await plane.start();
  nodes = await plane.join('a', 'b', 'c');
  const segments = plane.segments();
  fileBytes = segments.reduce((sum, one) => sum + one.fileBytes, 0);
  records = segments.reduce((sum, one) => sum + one.records, 0);
  await plane.load('prices', {}, segments);
});
afterEach(() => plane.close());

const cost = (keyspace = 'prices') => plane.operations.getCost({ keyspace });
const measured = (keyBytes: number[], valueBytes: number[], indexBytes: number, of: number) => ({
  keyBytes,
  valueBytes,
  indexBytes,
  records: of,
});

test('what each tier takes, from the catalog and the measured indexes', async () => {
  nodes[0]!.measured = measured([10, 12], [100, 300], 60, 10);
  nodes[1]!.measured = measured([11], [200], 30, 5);
  nodes[2]!.measured = undefined;
  const found = await cost();
  const inMemory = 2 * fileBytes;
  const indexes = 2 * 6 * records;
  expect(found).toMatchObject({
    version: 1,
    records,
    tier: Tier.MEMORY,
    replication: 2,
    versionsKept: 1,
    sampled: 3,
    keySizes: { p50: 11, p90: 12, p99: 12, largest: 12 },
    valueSizes: { p50: 200, p90: 300, p99: 300, largest: 300 },
    unanswered: ['c'],
  });
  expect(found.tiers).toEqual([
    {
      tier: Tier.MEMORY,
      memoryBytes: inMemory,
      diskBytes: inMemory,
      memoryBytesPerRecord: fileBytes / records,
      diskBytesPerRecord: fileBytes / records,
    },
    {
      tier: Tier.DISK,
      memoryBytes: indexes,
      diskBytes: inMemory,
      memoryBytesPerRecord: 6,
      diskBytesPerRecord: fileBytes / records,
    },
  ]);
  expect(found.changes).toEqual([
    { change: 'tier disk', memoryBytes: inMemory - indexes, diskBytes: 0 },
    { change: 'replication 1', memoryBytes: fileBytes, diskBytes: fileBytes },
    { change: 'suspend', memoryBytes: inMemory, diskBytes: 0 },
  ]);
});

test('versions that fewer would be kept of, in the disk tier', async () => {
  for (const node of nodes) node.measured = measured([10], [100], 60, 10);
  for (let version = 2; version <= 3; version++) await plane.load('prices', { keep: 3 });
  await plane.operations.setTier({ keyspace: 'prices', tier: Tier.DISK });
  const { changes, versionsKept } = await cost();
  expect(versionsKept).toBe(3);
  const [toMemory, fewerCopies, fewerVersions] = changes;
  const indexes = 2 * 3 * 6 * records;
  const files = 2 * 3 * fileBytes;
  expect(toMemory).toEqual({ change: 'tier memory', memoryBytes: indexes - files, diskBytes: 0 });
  const half = { memoryBytes: indexes / 2, diskBytes: files / 2 };
  expect(fewerCopies).toEqual({ change: 'replication 1', ...half });
  const third = { memoryBytes: indexes / 3, diskBytes: files / 3 };
  expect(fewerVersions).toEqual({ change: 'keep 2', ...third });
});

test('reads of all datanodes, and the share of keys that they found', async () => {
  const [a, b, c] = nodes;
  const { uid } = (await plane.operations.listKeyspaces()).keyspaces[0]!;
  const reads = { keyspaceUid: uid, keyspace: '', valueBytes: 0, cacheHits: 0 };
  const other = { ...reads, keyspaceUid: 'f'.repeat(16), found: 1000, notFound: 1000 };
  const counters = { found: 0, notFound: 0, failed: 0, valueBytes: 0, latency: [], cacheHits: 0 };
  a!.reads = { ...counters, keyspaces: [{ ...reads, found: 60, notFound: 0 }, other] };
  b!.reads = { ...counters, keyspaces: [{ ...reads, found: 0, notFound: 20 }] };
  for (const node of [a, b, c]) node!.hotKeys = { readsPerSecond: 5, hottest: [], largest: [] };
  expect(await cost()).toMatchObject({ readsPerSecond: 15, hitRatio: 0.75 });
});

test('a suspended keyspace takes no memory, and its disk tier is unknown', async () => {
  await plane.operations.suspendKeyspace({ keyspace: 'prices' });
  const { changes, hitRatio, sampled, suspended, tiers } = await cost();
  expect({ hitRatio, sampled, suspended }).toEqual({
    hitRatio: undefined,
    sampled: 0,
    suspended: true,
  });
  expect(tiers.map(({ tier }) => tier)).toEqual([Tier.MEMORY]);
  expect(changes).toEqual([{ change: 'replication 1', memoryBytes: 0, diskBytes: fileBytes }]);
});

test('an unknown keyspace is refused', async () => {
  await expect(cost('none')).rejects.toMatchObject({ code: 'KEYSPACE_NOT_FOUND' });
});
