import { expect, test } from 'vitest';
import { costText } from '../../../../cli/verbs/keyspaces/cost.ts';
import { COST } from '../../../support/peers/cost-sample.ts';
import { FakeCluster } from '../../../support/peers/fake-cluster.ts';
import { startFakeMaster } from '../../../support/peers/fake-master.ts';
import { stele } from '../../run-stele.ts';

test('stele cost shows what each tier takes, and the commands that would free some', async () => {
  const cluster = new FakeCluster();
  const { address } = await startFakeMaster(cluster);
  const run = (...words: string[]) => stele(['cost', 'default', ...words, '--master', address]);
  const { stdout } = await run();
  expect(stdout).toBe(`\
default, version 2: 1,000 keys (10 B + 100 B on average), memory tier, 2 copies, 2 versions kept.

TIER             MEMORY       DISK  MEMORY A KEY  DISK A KEY
memory (now)  512.0 KiB  512.0 KiB       118.3 B     118.3 B
disk           24.0 KiB  512.0 KiB         5.5 B     118.3 B

OF 500 SAMPLED   P50    P90    P99  LARGEST
keys            10 B   10 B   10 B     10 B
values          90 B  150 B  190 B    200 B

CHANGE                       FREES MEMORY  FREES DISK
stele tier default disk         488.0 KiB         0 B
stele replication default 1     256.0 KiB   256.0 KiB

1,235 reads/s at the datanodes lately; 87.5% of the keys were found. In the disk tier each of them is a read of a block of 4 KiB, unless it is cached; keys that are not found need none.
`);
  const json = JSON.parse((await run('-o', 'json')).stdout) as object;
  expect(json).toMatchObject({ keyspace: 'default', versions: 2, hit_ratio: 0.875 });
  expect(cluster.calls).toEqual(['cost default', 'cost default']);
});

test('what is not known is not in it', () => {
  const { hitRatio: _, keySizes: _keys, valueSizes: _values, ...rest } = COST;
  const tiers = COST.tiers.slice(0, 1);
  const more = { ...rest, version: 0, suspended: true, tiers, changes: [], unanswered: ['b'] };
  const text = costText('prices', more);
  expect(text).toMatch(
    /^prices has no version: memory tier, suspended, 2 copies, 2 versions kept\.$/m,
  );
  expect(text).toMatch(/^memory +512/m);
  expect(text).toMatch(/The disk tier cannot be estimated/);
  expect(text).toMatch(/Without b, which did not answer\.$/);
  expect(text).not.toMatch(/SAMPLED|FREES/);
});
