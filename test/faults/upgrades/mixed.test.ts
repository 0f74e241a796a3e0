// An earlier release and this one mixed: every process is replaced by this build and, where no new
// format was switched on, by the earlier one again, under reads and nightly loads. No read fails,
// and every load comes to its version (docs/upgrades.md).

import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { STELE_VERSION } from '../../../base/process/build-version.ts';
import { DATANODES, MixedCluster, QUERY } from '../../support/faults/mixed-cluster.ts';
import type { Build } from '../../support/faults/mixed-cluster.ts';
import { handOver } from '../../support/faults/fault-table.ts';
import { SEED } from '../../support/faults/faults.ts';
import { buildEarlier } from '../../support/process/earlier-build.ts';
import type { EarlierBuild } from '../../support/process/earlier-build.ts';
import { hasEtcd } from '../../support/process/etcd-server.ts';
import { stele } from '../../support/process/stele-process.ts';
import { stopWithoutFailures } from '../../support/readers/reader.ts';

/**
 * What this release is mixed with until there is a tag of one before: it does not tell its release.
 */
const EARLIER = '1a9c9b6f1cd7';
const THIS: Build = undefined;
let earlier: EarlierBuild;

beforeAll(() => {
  earlier = buildEarlier(EARLIER);
  console.log(`  seed ${SEED}, ${earlier.title} and this build (${STELE_VERSION})`);
}, 1_500_000);

afterAll(() => earlier?.close());

describe('one master', () => {
  test('up and down again: no read fails, no load fails', () => upAndDown(1), 1_200_000);
});

describe.skipIf(!hasEtcd())('three masters on etcd', () => {
  test('up and down again: no read fails, no load fails', () => upAndDown(3), 1_200_000);
});

async function upAndDown(masters: number): Promise<void> {
  const cluster = await MixedCluster.start(masters, earlier.script);
  onTestFinished(() => cluster.close(), 60_000);
  let version = 1;
  let replaced = 0;
  await cluster.loaded(version, earlier.script);
  const readers = await cluster.read();
  const seen = async (what: string): Promise<Map<string, string | null>> => {
    const releases = await cluster.releases();
    console.log(
      `  ${what}: ${[...releases].map(([name, release]) => `${name} ${release ?? 'unknown'}`).join(', ')}`,
    );
    return releases;
  };
  /**
   * Replaces one after the other; a load begins while the first and the last are away, and one when
   * all are back.
   */
  const step = async (what: string, names: readonly string[], build: Build, loader: Build) => {
    for (const [at, name] of names.entries()) {
      const isEnd = at === 0 || at === names.length - 1;
      const loading = isEnd ? await cluster.prepared(++version, loader) : undefined;
      // Without a master no load begins: it has begun before the only one is replaced.
      const isOnly = masters === 1 && cluster.masters.includes(name);
      if (isOnly) await loading?.begin();
      await cluster.replace(name, build, async () => {
        if (!isOnly) await loading?.begin();
      });
      await loading?.done();
      replaced++;
    }
    await cluster.loaded(++version, loader);
    await seen(`${what}, version ${version}`);
  };

  await seen('before');
  console.log(indented(await cluster.stele('upgrade', 'check')));
  await step('datanodes up', DATANODES, THIS, earlier.script);
  await step('masters up', await cluster.mastersLeaderLast(), THIS, earlier.script);
  await step('query node up', [QUERY], THIS, THIS);
  const after = await seen('after');
  expect([...after.values()]).toEqual(Array(masters + DATANODES.length).fill(STELE_VERSION));
  await cluster.stele('upgrade', 'check');

  if (await isWayBackOpen(cluster)) {
    await step('query node down', [QUERY], earlier.script, THIS);
    await step('masters down', await cluster.mastersLeaderLast(), earlier.script, earlier.script);
    await step('datanodes down', DATANODES, earlier.script, earlier.script);
  }
  await stopWithoutFailures(readers);
  handOver({
    row: masters === 1 ? '29' : '29a',
    fault: `${masters === 1 ? 'one master' : `${masters} masters`}: every process replaced by another release, and back, in nightly loads`,
    trials: replaced,
    reads: readers.reduce((sum, { reads }) => sum + reads, 0),
    failed: readers.reduce((sum, { failures }) => sum + failures.length, 0),
    seen: `${earlier.title} and ${STELE_VERSION}; ${version} loads, each with its version; a read may take 5 s`,
  });
}

/** Whether the earlier release reads the segments and the catalog that there are now. */
async function isWayBackOpen(cluster: MixedCluster): Promise<boolean> {
  const status = JSON.parse(await cluster.stele('status', '-o', 'json')) as {
    formats: { segment: number; catalog: number };
  };
  const { stdout } = await stele(['version', '-o', 'json'], { script: earlier.script });
  const { formats } = JSON.parse(stdout) as {
    formats: { segment: { read: number[] }; catalog?: { read: number[] } };
  };
  // Releases that do not tell the format of their catalog have this one.
  const catalogs = formats.catalog?.read ?? [2];
  const isOpen =
    formats.segment.read.includes(status.formats.segment) &&
    catalogs.includes(status.formats.catalog);
  if (!isOpen)
    console.log(`  no way back: ${stdout.trim()} cannot read ${JSON.stringify(status.formats)}`);
  return isOpen;
}

function indented(text: string): string {
  return text.trimEnd().replaceAll(/^/gm, '    ');
}
