// A catalog that goes back in time while its datanodes do not: a backup is restored, once and
// again; a copy of the folder is put back; a second master runs on a copy. Every read has the value
// of the catalog in force, or is refused.

import { cpSync, mkdirSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SteleClient } from '../../../client/stele-client.ts';
import { TestCluster } from '../../support/process/cluster.ts';
import { VersionedRows } from '../../support/inputs/rows.ts';
import { expectLabelEverywhere, labelsOf } from '../../support/readers/everywhere.ts';
import { postLookup } from '../../support/readers/sources.ts';
import { ANY_PORTS, flags, SteleProcess, until } from '../../support/process/stele-process.ts';

const KEYSPACE = 'numbers';
const rows = new VersionedRows(400);
const keys = Array.from({ length: rows.count }, (_, index) => rows.key(index));
/** Version numbers with the label of the content that they were given to. */
const given = new Map<number, number>();
let cluster: TestCluster;
let client: SteleClient;
let copies = 0;

beforeAll(async () => {
  cluster = await TestCluster.start({ masterFlags: flags({ 'repair-delay': '2s' }) });
  client = new SteleClient({ seeds: [cluster.masterGrpc] });
  await load(1);
  // Both kinds of copies contain version 1.
  await cluster.kill('master', 'SIGTERM');
  cpSync(masterFolder(), join(cluster.folder, 'cold'), { recursive: true });
  copyBackup(masterFolder(), join(cluster.folder, 'backup'));
  await cluster.startMaster();
  await load(2);
  await expectEverywhere(2);
}, 180_000);

afterAll(async () => {
  await client?.close();
  await cluster?.close();
}, 30_000);

const masterFolder = (): string => join(cluster.folder, 'master');

/** Loads the values of `label`; the version must not have a number of other values. */
async function load(label: number, flagWords: readonly string[] = []): Promise<number> {
  const file = cluster.rowsFile(label);
  await rows.write(file, label);
  const { version } = await cluster.load(KEYSPACE, [file], flagWords);
  expect(given.get(version) ?? label).toBe(label);
  given.set(version, label);
  return version;
}

function copyBackup(from: string, to: string): void {
  mkdirSync(to);
  for (const name of readdirSync(from)) {
    if (name.startsWith('catalog-backup')) cpSync(join(from, name), join(to, name));
  }
}

/** The master loses its folder, and starts on a copy of it. */
async function goBackTo(copy: 'backup' | 'cold'): Promise<void> {
  await cluster.kill('master');
  renameSync(masterFolder(), join(cluster.folder, `lost-${++copies}`));
  cpSync(join(cluster.folder, copy), masterFolder(), { recursive: true });
  await cluster.startMaster();
  await cluster.status('green');
}

const expectEverywhere = (label: number): Promise<void> =>
  expectLabelEverywhere({ cluster, client, keyspace: KEYSPACE, rows }, label);

async function etagOf(key: string): Promise<{ etag: string; url: string }> {
  const url = cluster.url(`/v1/keyspaces/${KEYSPACE}/keys/${key}`);
  const response = await fetch(url);
  await response.arrayBuffer();
  return { etag: response.headers.get('etag') ?? '', url };
}

describe('a backup is restored', () => {
  test('its own version is read everywhere, and the lost one nowhere', async () => {
    const { etag, url } = await etagOf(rows.key(0));
    await goBackTo('backup');
    await expectEverywhere(1);
    const after = await fetch(url, { headers: { 'if-none-match': etag } });
    await after.arrayBuffer();
    expect(after.status).toBe(200);
  }, 180_000);

  test('a datanode that was stopped during a load serves the new version when it continues', async () => {
    cluster.pause('node-0');
    await until('node-0 is away', async () => {
      const { nodes } = await cluster.health();
      return nodes.some(({ id, state }) => id === 'node-0' && /down/i.test(state));
    });
    await load(3, flags({ 'min-replicas': 1 }));
    cluster.resume('node-0');
    await expectEverywhere(3);
  }, 180_000);

  test('and once more from the same backup: no number is reused for other content', async () => {
    await goBackTo('backup');
    await expectEverywhere(1);
    expect(await load(4)).toBeGreaterThan(1000);
    await expectEverywhere(4);
  }, 180_000);
});

describe('a copy of the folder is put back', () => {
  test('the master takes an epoch that datanodes obey, and its version is read everywhere', async () => {
    await goBackTo('cold');
    await expectEverywhere(1);
    expect(await load(5)).toBeGreaterThan(1000);
    await expectEverywhere(5);
    expect(cluster.log('master')).toContain('A higher epoch was taken');
  }, 180_000);

  test('and a second time, with a datanode that is stopped meanwhile', async () => {
    cluster.pause('node-1');
    await cluster.kill('master');
    renameSync(masterFolder(), join(cluster.folder, 'lost-sleeping'));
    cpSync(join(cluster.folder, 'cold'), masterFolder(), { recursive: true });
    await cluster.startMaster();
    await cluster.nodesServing(2);
    await load(6, flags({ 'min-replicas': 1 }));
    cluster.resume('node-1');
    await expectEverywhere(6);
  }, 180_000);
});

test('of two masters on copies of one folder, the one that was started last continues', async () => {
  const copy = join(cluster.folder, 'second');
  await cluster.kill('master', 'SIGTERM');
  cpSync(masterFolder(), copy, { recursive: true });
  await cluster.startMaster();
  await cluster.status('green');
  const second = new SteleProcess([
    'master',
    ...flags({ 'data-dir': copy, replication: 2, shards: 32 }),
    ...ANY_PORTS,
  ]);
  try {
    const first = await cluster.finished('master');
    expect(first.code).toBe(1);
    expect(first.stderr).toContain('Another master of this cluster was started after this one');
    const [address] = second.addresses();
    const origin = `http://${address?.host}:${address?.http}`;
    await until('the second one is green', async () => {
      const health = await fetch(`${origin}/v1/cluster/health`).then((reply) => reply.json());
      return (health as { status: string }).status === 'green';
    });
    expect(labelsOf(rows, (await postLookup(origin, KEYSPACE, keys)).values)).toEqual([6]);
  } finally {
    await second.kill();
  }
}, 180_000);
