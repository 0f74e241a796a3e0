// Suspend, resume and delete with real processes: memory is freed, files stay, copies are kept, and
// the result is what the operator asked for, whatever is killed in between.

import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SteleClient } from '../../../client/stele-client.ts';
import { TestCluster } from '../../support/process/cluster.ts';
import { VersionedRows } from '../../support/inputs/rows.ts';
import { segmentNames } from '../../support/segments/segment-files.ts';
import { steleShared } from '../../support/process/shared-process.ts';
import { connectRedis, expectAllRows } from '../../support/readers/sources.ts';
import { until } from '../../support/process/stele-process.ts';

const NODES = ['node-0', 'node-1', 'node-2'] as const;
const rows = new VersionedRows(3000);
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.holding(rows, ['numbers', 'other'], {
    masterFlags: ['--repair-delay', '500ms', '--retire-delay', '100ms'],
  });
}, 60_000);

afterAll(() => cluster?.close(), 30_000);

const verb = (...words: string[]) => steleShared([...words, '--master', cluster.masterGrpc]);

async function stateIs(state: string): Promise<void> {
  await until(state, async () => {
    const found = (await cluster.json('/v1/keyspaces/numbers')) as { state: string };
    return found.state === state;
  });
}

async function bytesInMemory(id: string): Promise<number> {
  const { host, http } = cluster.node(id);
  const text = await (await fetch(`http://${host}:${http}/metrics`)).text();
  return Number(/^stele_segment_bytes (\d+)$/m.exec(text)?.[1]);
}

const filesOnDisk = (): number =>
  NODES.reduce((sum, id) => sum + segmentNames(join(cluster.folder, id)).length, 0);

async function expectRefused(): Promise<void> {
  const reply = await fetch(cluster.url('/v1/keyspaces/numbers/keys/key-1'));
  expect([reply.status, await reply.json()]).toMatchObject([503, { code: 'SUSPENDED' }]);
  for (const address of [cluster.master, cluster.node('node-1')]) {
    const redis = connectRedis(address, 'numbers');
    await expect(redis.get('key-1')).rejects.toThrow(/^SUSPENDED .*stele resume numbers/);
    redis.disconnect();
  }
  const client = new SteleClient({ seeds: [cluster.masterGrpc] });
  await expect(client.get('numbers', 'key-1')).rejects.toMatchObject({ code: 'SUSPENDED' });
  await client.close();
}

describe('a suspended keyspace', () => {
  test('is only on disk; every interface answers SUSPENDED; others are served', async () => {
    const before = await Promise.all(NODES.map(bytesInMemory));
    const files = filesOnDisk();
    expect((await verb('suspend', 'numbers')).code).toBe(0);
    await expectRefused();
    await stateIs('SUSPENDED');
    for (const [index, id] of NODES.entries()) {
      await until('freed', async () => (await bytesInMemory(id)) < (before[index] ?? 0) * 0.6);
    }
    expect(filesOnDisk()).toBe(files);
    await expectAllRows(cluster.url(''), 'other', rows, 1);
    expect((await fetch(cluster.url('/readyz'))).status).toBe(200);
    const load = await steleShared(cluster.loadArguments('numbers', [cluster.rowsFile(1)]));
    expect([load.code, load.stderr]).toEqual([
      4,
      expect.stringContaining('is suspended') as string,
    ]);
  });

  test('is copied from disk to disk when a datanode dies, and stays out of memory', async () => {
    await cluster.kill('node-0');
    await cluster.status('yellow');
    await cluster.status('green');
    expect(await bytesInMemory('node-1')).toBeGreaterThan(0);
    await cluster.startNode('node-0');
    await cluster.nodesServing(3);
    await cluster.status('green');
    await stateIs('SUSPENDED');
  });

  test('is still suspended after everything was killed and started again', async () => {
    for (const id of [...NODES, 'master']) await cluster.kill(id);
    await cluster.startMaster();
    await Promise.all(NODES.map((id) => cluster.startNode(id)));
    await cluster.nodesServing(3);
    await cluster.status('green');
    await expectRefused();
  });

  test('answers every key again after a resume, during which the master was killed', async () => {
    expect((await verb('resume', 'numbers')).code).toBe(0);
    await cluster.kill('master');
    await cluster.startMaster();
    await stateIs('RUNNING');
    await cluster.status('green');
    await expectAllRows(cluster.url(''), 'numbers', rows, 1);
    expect(await cluster.digest('numbers')).toBe(await cluster.digest('other'));
  });
});

test('a delete is completed by the next master, and its record is deleted last', async () => {
  await cluster.kill('node-2');
  expect((await verb('drop', 'other', '--yes')).code).toBe(0);
  await cluster.kill('master');
  await cluster.startMaster();
  await cluster.startNode('node-2');
  const listed = async (): Promise<readonly unknown[]> => {
    const { keyspaces } = (await cluster.json('/v1/keyspaces')) as { keyspaces: { uid: string }[] };
    return keyspaces;
  };
  await until('the record is gone', async () => (await listed()).length === 1);
  const uids = new Set(
    NODES.flatMap((id) => segmentNames(join(cluster.folder, id)).map((name) => name.split('/')[0])),
  );
  expect(uids.size).toBe(1);
});
