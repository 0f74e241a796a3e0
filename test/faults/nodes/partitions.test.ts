// Network partitions (row 9): a datanode is cut off from everything, in one direction only, from
// another datanode, or from its clients. Every process has its own network, and packets over a cut
// link are dropped silently.

import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DIRECT, FaultCluster, HTTP, MASTER_RESP } from '../../support/faults/fault-cluster.ts';
import { handOver, seconds } from '../../support/faults/fault-table.ts';
import { SEED, SHORT } from '../../support/faults/faults.ts';
import { HERE, Network } from '../../support/process/namespaces.ts';
import { credentialsOf } from '../../support/readers/sources.ts';
import { until } from '../../support/process/stele-process.ts';

const LOST = 'node-2';
const SWAPPING = 'swapping';
const HEALED_MS_MAX = 10_000;
const READS = SHORT ? 2000 : 20_000;

interface Cut {
  readonly row: string;
  readonly what: string;
  readonly links: readonly (readonly [string, string])[];
  /** The master hears nothing from the datanode. */
  readonly isNoticed: boolean;
  readonly doors: readonly string[];
}

const bothWays = (one: string, others: readonly string[]): [string, string][] =>
  others.flatMap((other): [string, string][] => [
    [one, other],
    [other, one],
  ]);

const BY_MASTER = [MASTER_RESP, HTTP];
const CUTS: readonly Cut[] = [
  {
    row: '9',
    what: 'a datanode from everybody, both ways',
    links: bothWays(LOST, ['master', 'node-0', 'node-1', HERE]),
    isNoticed: true,
    doors: BY_MASTER,
  },
  {
    row: '9a',
    what: 'what a datanode says to the master',
    links: [[LOST, 'master']],
    isNoticed: true,
    doors: [...BY_MASTER, DIRECT],
  },
  {
    row: '9b',
    what: 'what the master says to a datanode',
    links: [['master', LOST]],
    isNoticed: true,
    doors: [...BY_MASTER, DIRECT],
  },
  {
    row: '9c',
    what: 'two datanodes from each other',
    links: bothWays(LOST, ['node-0']),
    isNoticed: false,
    doors: [...BY_MASTER, DIRECT],
  },
  {
    row: '9d',
    what: 'clients from a datanode',
    links: bothWays(LOST, [HERE]),
    isNoticed: false,
    doors: BY_MASTER,
  },
];

const network = Network.make(['master', 'node-0', 'node-1', 'node-2']);
let faults: FaultCluster;

beforeAll(async () => {
  if (network === undefined) return;
  console.log(`  seed ${SEED}`);
  faults = await FaultCluster.start({
    masterFlags: ['--repair-delay', '60s'],
    placeOf: (name) => network.placeOf(name),
  });
  for (const version of [1, 2]) {
    const file = join(faults.cluster.folder, `swapping-${version}.data`);
    await faults.rows.write(file, version);
    await faults.cluster.load(SWAPPING, [file]);
  }
  await faults.whole();
}, 120_000);

afterAll(async () => {
  await faults?.close();
  network?.remove();
}, 60_000);

async function swapTo(version: number): Promise<void> {
  const response = await fetch(faults.cluster.url(`/v1/keyspaces/${SWAPPING}/rollback`), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ to: version }),
  });
  expect(response.status).toBe(200);
}

/** The versions in a datanode's answers, for those of some keys that it has. */
async function versionsOn(id: string): Promise<number[]> {
  const { host, resp } = faults.cluster.node(id);
  const client = new Redis({ host, port: resp, ...credentialsOf(SWAPPING), readOnly: true });
  client.on('error', () => undefined);
  const keys = Array.from({ length: 100 }, (_, index) => faults.rows.key(index));
  const values = await Promise.allSettled(keys.map((key) => client.getBuffer(key)));
  client.disconnect();
  return values.flatMap((value, index) =>
    value.status === 'fulfilled' ? [faults.rows.versionOf(keys[index] ?? '', value.value)] : [],
  );
}

describe.skipIf(network === undefined)('a cut', () => {
  const cuts = SHORT ? CUTS.filter(({ row }) => row === '9' || row === '9b') : CUTS;
  test.each(cuts.map((cut, index) => ({ ...cut, index })))(
    'of $what: no read fails, and all views agree again soon',
    async ({ doors, index, isNoticed, links, row, what }) => {
      const { cluster, ids } = faults;
      const net = network as Network;
      // If either direction is lost, no connection can be made; it is tried from the side that is
      // not a datanode.
      const looked = links.map(([from, to]) => (ids.includes(to) ? [from, to] : [to, from]));
      const isOpen = ([from = '', to = '']: readonly string[]): boolean =>
        net.reaches(from, to, cluster.node(to).grpc);
      expect(looked.every(isOpen)).toBe(true);
      const reader = await faults.read(doors);
      const window = reader.begin();
      for (const [from, to] of links) net.cut(from, to);
      if (isNoticed) await faults.noticed(LOST);
      expect(looked.some(isOpen)).toBe(false);
      const version = 1 + (index % 2);
      await swapTo(version);
      await reader.progress(READS);
      await reader.drained();
      const report = window.report();
      const healedMs = performance.now();
      net.heal();
      await faults.whole();
      for (const id of ids) {
        await until(`${id} to answer with version ${version}`, async () => {
          const versions = await versionsOn(id);
          return versions.length > 0 && versions.every((each) => each === version);
        });
      }
      const recoveryMs = performance.now() - healedMs;
      await reader.stop();
      handOver({
        row,
        fault: `cut, without a word: ${what}`,
        trials: 1,
        reads: report.reads,
        failed: report.failed,
        p99Ms: Math.round(report.p99Ms),
        recoverySeconds: seconds(recoveryMs),
        recovered: 'from its end until all are GREEN, of one version',
        seen: 'no connection could be made; a version swapped meanwhile',
      });
      expect(report.failures).toEqual([]);
      expect(recoveryMs).toBeLessThan(HEALED_MS_MAX);
    },
  );
});
