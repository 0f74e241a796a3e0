// A second cluster follows ten versions of a first one under readers, while both lose datanodes, and
// the follower itself is killed: no read fails, none mixes versions, and none sees a version that
// the gate refuses.

import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { SHORT } from '../../support/faults/faults.ts';
import { seededRandom, VersionedRows } from '../../support/inputs/rows.ts';
import { folderUrl } from '../../support/process/archived-cluster.ts';
import { TestCluster } from '../../support/process/cluster.ts';
import { flags, SteleProcess, until } from '../../support/process/stele-process.ts';
import { removeAtEnd } from '../../support/process/watchdog.ts';
import { Reader } from '../../support/readers/reader.ts';
import { connectRedis, postLookupSource, respSource } from '../../support/readers/sources.ts';

vi.setConfig({ testTimeout: 600_000, hookTimeout: 120_000 });

const VERSIONS = SHORT ? 4 : 10;
/** These lack a third of the keys, which the gate of the second cluster does not take. */
const REFUSED = new Set([3, 7]);
const KEYSPACE = 'prices';
const NODES = ['node-0', 'node-1', 'node-2'];
const SEED = Number(process.env['STELE_TEST_SEED'] ?? 16);

const folder = mkdtempSync(join(tmpdir(), 'stele-follow-faults-'));
removeAtEnd(folder);
const url = folderUrl(join(folder, 'deep'));
const rows = new VersionedRows(6000);
const random = seededRandom(SEED);
const seen = new Set<number>();
/** Notes which versions were read. */
const watched = {
  count: rows.count,
  key: (index: number): string => rows.key(index),
  versionOf: (key: string, value: Parameters<VersionedRows['versionOf']>[1]): number => {
    const version = rows.versionOf(key, value);
    seen.add(version);
    return version;
  },
};
let source: TestCluster;
let here: TestCluster;
let follower: SteleProcess;

beforeAll(async () => {
  console.log(`  seed ${SEED}`);
  const quick = flags({ 'repair-delay': '1s' });
  const store = flags({ 'deep-store': url, 'archive-bytes-per-second': 0 });
  source = await TestCluster.start({ shards: 16, masterFlags: [...quick, ...store] });
  here = await TestCluster.start({ shards: 16, masterFlags: quick });
  follower = follow();
});

afterAll(async () => {
  await follower?.kill();
  await source?.close();
  await here?.close();
});

function follow(): SteleProcess {
  const gate = flags({ poll: '1s', 'max-shrink': '10%', output: 'json' });
  return new SteleProcess(
    ['follow', url, KEYSPACE, ...gate, ...flags({ master: here.masterGrpc })],
    { cwd: folder },
  );
}

async function load(version: number): Promise<void> {
  const path = join(folder, `rows-${version}.data`);
  const count = REFUSED.has(version) ? Math.floor((rows.count * 2) / 3) : rows.count;
  const lines = Array.from({ length: count }, (_, index) => {
    const key = rows.key(index);
    return `${key} ${rows.value(key, version)}\n`;
  });
  writeFileSync(path, lines.join(''));
  await source.load(KEYSPACE, [path]);
}

/** One datanode of a cluster dies somewhere in the next second, and comes back. */
async function loseOne(cluster: TestCluster): Promise<void> {
  const id = NODES[Math.floor(random() * NODES.length)] ?? 'node-0';
  await new Promise((resolve) => setTimeout(resolve, random() * 1000));
  await cluster.kill(id);
  await cluster.startNode(id);
  await cluster.nodesServing(NODES.length);
}

interface Version {
  readonly source: string;
  readonly state: string;
  readonly current: boolean;
}

/** Whether the version of that number there is here, and as what. */
async function stateHere(version: number): Promise<Version | undefined> {
  const answer = (await here.json(`/v1/keyspaces/${KEYSPACE}/versions`)) as {
    versions?: readonly Version[];
  };
  return answer.versions?.find((one) => one.source.includes(`(version ${version} of `));
}

async function followed(version: number): Promise<void> {
  const isSo = async (): Promise<boolean> => {
    const found = await stateHere(version).catch(() => undefined);
    return REFUSED.has(version) ? found?.state === 'REJECTED' : found?.current === true;
  };
  await until(`version ${version}`, isSo, 90_000, 200);
}

test(`${VERSIONS} versions are followed: no read fails, mixes, or sees a refused one`, async () => {
  await load(1);
  await followed(1);
  const readers = [
    postLookupSource(here.url(''), KEYSPACE),
    respSource('MGET through the master', connectRedis(here.master, KEYSPACE)),
  ].map(
    (one, index) =>
      new Reader([one], { rows: watched, keysPerRead: 20, budgetMs: 5000, seed: SEED + index }),
  );
  for (let version = 2; version <= VERSIONS; version++) {
    await load(version);
    const losses = [loseOne(source), loseOne(here)];
    if (version % 3 === 0) {
      // It keeps nothing that it needs.
      await follower.kill('SIGKILL');
      follower = follow();
    }
    await followed(version);
    await Promise.all(losses);
    await source.status('green');
    await here.status('green');
  }
  await Promise.all(readers.map((reader) => reader.progress(20)));
  await Promise.all(readers.map((reader) => reader.stop()));
  for (const reader of readers) {
    console.log(`  ${reader.report()}`);
    expect(reader.failures).toEqual([]);
  }
  const taken = Array.from({ length: VERSIONS }, (_, at) => at + 1).filter(
    (version) => !REFUSED.has(version),
  );
  expect([...seen].sort((one, other) => one - other)).toEqual(taken);
  expect(await here.digest(KEYSPACE)).toBe(await source.digest(KEYSPACE));
});
