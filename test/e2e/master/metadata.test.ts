// A catalog moves from a master's folder into etcd and back, is backed up and restored, while the
// datanodes stay. Every read has the value of the catalog in force, or is refused.

import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SteleClient } from '../../../client/stele-client.ts';
import { VersionedRows } from '../../support/inputs/rows.ts';
import { TestCluster } from '../../support/process/cluster.ts';
import { EtcdServer, hasEtcd } from '../../support/process/etcd-server.ts';
import { flags, sentencesOf, stele, until } from '../../support/process/stele-process.ts';
import type { Finished } from '../../support/process/stele-process.ts';
import { expectLabelEverywhere } from '../../support/readers/everywhere.ts';

const KEYSPACE = 'numbers';
const PREFIX = '/stele/test/';
const rows = new VersionedRows(400);
/** Version numbers with the label of the content that they were given to. */
const given = new Map<number, number>();
/** Of the master, from its next start on. */
const masterFlags: string[] = flags({ 'repair-delay': '2s' });
let etcd: EtcdServer;
let cluster: TestCluster;
let client: SteleClient;

describe.skipIf(!hasEtcd())('with etcd', () => {
  beforeAll(async () => {
    etcd = await EtcdServer.start();
    cluster = await TestCluster.start({ masterFlags });
    client = new SteleClient({ seeds: [cluster.masterGrpc] });
  }, 120_000);
  afterAll(async () => {
    await client?.close();
    await cluster?.close();
    await etcd?.close();
  }, 30_000);

  const folder = (): string => `dir:${join(cluster.folder, 'master')}`;
  const shared = (): string => `etcd://${etcd.endpoints.join(',')}${PREFIX}`;
  const file = (): string => join(cluster.folder, 'catalog.backup');
  const metadata = (...words: string[]): Promise<Finished> =>
    stele(['metadata', ...words, '-o', 'json']);

  /** The summary of a command that succeeds. */
  async function made(...words: string[]): Promise<Record<string, unknown>> {
    const { code, stderr, stdout } = await metadata(...words);
    if (code !== 0) throw new Error(stderr);
    return JSON.parse(stdout) as Record<string, unknown>;
  }

  /** Loads the values of `label`; the version must not have a number of other values. */
  async function load(label: number): Promise<number> {
    const path = cluster.rowsFile(label);
    await rows.write(path, label);
    const { version } = await cluster.load(KEYSPACE, [path]);
    expect(given.get(version) ?? label).toBe(label);
    given.set(version, label);
    return version;
  }

  const epoch = async (): Promise<number> =>
    ((await cluster.json('/v1/cluster/health')) as { epoch: number }).epoch;

  const expectEverywhere = (label: number): Promise<void> =>
    expectLabelEverywhere({ cluster, client, keyspace: KEYSPACE, rows }, label);

  test('a folder in use is not copied', async () => {
    await load(1);
    const { code, stderr } = await metadata('copy', '--from', folder(), '--to', shared());
    expect(code).toBe(1);
    expect(stderr).toMatch(/LOCKED.*in use by master process \d+/);
    expect(await etcd.ctl('get', '--prefix', PREFIX, '--keys-only')).toBe('');
  });

  test('from a folder into etcd: the cluster goes on with the same data', async () => {
    await cluster.kill('master', 'SIGTERM');
    const copied = await made('copy', '--from', folder(), '--to', shared());
    renameSync(join(cluster.folder, 'master'), join(cluster.folder, 'left'));
    masterFlags.push(
      ...flags({
        metadata: 'etcd',
        'etcd-endpoints': etcd.endpoints.join(),
        'etcd-prefix': PREFIX,
      }),
    );
    await cluster.startMaster();
    await expectEverywhere(1);
    expect(await load(2)).toBe(2);
    await expectEverywhere(2);
    expect(copied).toMatchObject({
      action: 'copy',
      digest: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
    });
  }, 120_000);

  test('a catalog that is there is not overwritten', async () => {
    const from = `dir:${join(cluster.folder, 'left')}`;
    const led = await metadata('copy', '--from', from, '--to', shared());
    expect(led.code).toBe(1);
    expect(led.stderr).toMatch(/CONFLICT.* leads at etcd/);
    await cluster.kill('master', 'SIGTERM');
    const taken = await metadata('copy', '--from', from, '--to', shared());
    expect(taken.code).toBe(1);
    expect(taken.stderr).toMatch(/CONFLICT.*nothing is overwritten/);
  }, 60_000);

  test('a master that starts during a write waits for its end', async () => {
    const writer = JSON.stringify({ id: 'stele metadata', address: '', since: '' });
    await etcd.ctl('put', `${PREFIX}leader`, writer);
    await cluster.startMaster();
    await until('the master to say that none leads', async () => {
      const { stderr } = await stele([
        'keep',
        KEYSPACE,
        '3',
        ...flags({ master: cluster.masterGrpc }),
      ]);
      return /No master leads/.test(sentencesOf(stderr));
    });
    await etcd.ctl('del', `${PREFIX}leader`);
    await expectEverywhere(2);
  }, 120_000);

  test('a backup of masters that run is restored after more loads, twice', async () => {
    const { digest } = await made('backup', file(), '--from', shared());
    await load(3);
    await expectEverywhere(3);
    for (const label of [4, 5]) {
      await cluster.kill('master');
      await etcd.ctl('del', '--prefix', PREFIX);
      expect(await made('restore', file(), '--to', shared())).toMatchObject({ digest });
      await cluster.startMaster();
      // By the mark of the restore alone, before any datanode reports what it has obeyed.
      await until('the epoch of the restore', async () => (await epoch()) > 1_000);
      await expectEverywhere(2);
      expect(await load(label)).toBeGreaterThan(1_000);
      await expectEverywhere(label);
    }
    const marker = await etcd.ctl('get', '--print-value-only', `${PREFIX}marker`);
    expect(marker).toMatch(/^[0-9a-f]{16}\s*$/);
  }, 180_000);

  test('from etcd into a folder: the cluster goes on with the same data', async () => {
    await cluster.kill('master', 'SIGTERM');
    await made('copy', '--from', shared(), '--to', folder());
    masterFlags.splice(0, Infinity, ...flags({ 'repair-delay': '2s' }));
    await cluster.startMaster();
    await expectEverywhere(5);
    await load(6);
    await expectEverywhere(6);
  }, 120_000);
});
