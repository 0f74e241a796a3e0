// The number of copies of a keyspace, changed while it is read; and every interface that reports
// health, compared in each state.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentials, makeGenericClientConstructor } from '@grpc/grpc-js';
import { service as healthService } from 'grpc-health-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestCluster } from '../../support/process/cluster.ts';
import { Reader, stopWithoutFailures } from '../../support/readers/reader.ts';
import { VersionedRows } from '../../support/inputs/rows.ts';
import { segmentNames } from '../../support/segments/segment-files.ts';
import { connectRedis, expectAllRows, httpSource } from '../../support/readers/sources.ts';
import { flags, stele, until } from '../../support/process/stele-process.ts';

const SHARDS = 16;
const KEYSPACE = 'numbers';
const NODES = ['node-0', 'node-1', 'node-2'] as const;
const folder = mkdtempSync(join(tmpdir(), 'stele-copies-'));
const rows = new VersionedRows(3000);
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start({
    shards: SHARDS,
    masterFlags: flags({ 'cache-max': 0, 'repair-delay': '60s' }),
  });
  const file = join(folder, 'rows.data');
  await rows.write(file, 1);
  await cluster.load(KEYSPACE, [file]);
  await cluster.status('green');
}, 60_000);

afterAll(async () => {
  await cluster?.close();
  rmSync(folder, { recursive: true, force: true });
}, 30_000);

const verb = (...words: string[]) => stele([...words, '--master', cluster.masterGrpc]);
const copies = (): number =>
  NODES.reduce((sum, id) => sum + segmentNames(join(cluster.folder, id)).length, 0);

describe('the number of copies of a keyspace', () => {
  test('goes up and down while it is read: copies are made, then surplus ones are deleted', async () => {
    const reader = new Reader([httpSource(cluster.url(''), KEYSPACE)], {
      rows,
      version: 1,
      seed: 5,
    });
    const digest = await cluster.digest(KEYSPACE);
    expect(copies()).toBe(2 * SHARDS);
    const raised = await verb('replication', KEYSPACE, '3');
    expect([raised.code, raised.stdout]).toEqual([
      0,
      'numbers will have 3 copies; `stele status --wait green` waits until it has them.\n',
    ]);
    expect((await verb('status', '--wait', 'green', '--timeout', '30s')).code).toBe(0);
    expect(copies()).toBe(3 * SHARDS);
    const lowered = await fetch(cluster.url(`/v1/keyspaces/${KEYSPACE}`), {
      method: 'PATCH',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ replication: 1 }),
    });
    expect(await lowered.json()).toEqual({ keyspace: KEYSPACE, replication: 1 });
    await until('one copy of each shard', () => copies() === SHARDS);
    await expectAllRows(cluster.url(''), KEYSPACE, rows, 1);
    const back = await verb('replication', KEYSPACE, 'default', '-o', 'json');
    expect(JSON.parse(back.stdout)).toEqual({ keyspace: KEYSPACE, replication: 2 });
    await cluster.status('green');
    expect(copies()).toBe(2 * SHARDS);
    expect(await cluster.digest(KEYSPACE)).toBe(digest);
    await stopWithoutFailures([reader]);
  }, 90_000);

  test('that is invalid is refused with an explanation', async () => {
    expect(await verb('replication', KEYSPACE, 'many')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('use 1 to 7') as string,
    });
    expect((await verb('replication', 'nowhere', '2')).code).toBe(1);
  });
});

interface Explained {
  shard: number;
  served_by: string | null;
  replicas: { node: string; owner: boolean; holds: boolean; reason: string }[];
}

describe('where a shard lives, and why', () => {
  const explain = async (rest: string): Promise<Explained> => {
    const response = await fetch(cluster.url(`/v1/explain/${KEYSPACE}${rest}`));
    expect(response.status).toBe(200);
    return (await response.json()) as Explained;
  };

  test('is shown for a key and for a shard, by HTTP and by the command line', async () => {
    const ofKey = await explain(`/${rows.key(7)}`);
    const ofShard = await explain(`?shard=${ofKey.shard}`);
    expect(ofKey).toMatchObject(ofShard);
    expect(ofShard.replicas).toMatchObject([
      { owner: true, holds: true, reason: 'the ring puts the shard here; verified' },
      { owner: true, holds: true, reason: 'the ring puts the shard here; verified' },
    ]);
    const reported = await verb('explain', KEYSPACE, '--shard', `${ofKey.shard}`, '-o', 'json');
    expect(JSON.parse(reported.stdout)).toEqual(ofShard);
    const table = await verb('explain', KEYSPACE, '--shard', `${ofKey.shard}`);
    expect(table.stdout).toMatch(/^shard +\d+$/m);
    expect(table.stdout).not.toMatch(/^slot/m);
  });

  test('is refused for an invalid shard, and if neither or both are named', async () => {
    expect(await verb('explain', KEYSPACE, '--shard', `${SHARDS}`)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('this cluster has the shards 0 to 15') as string,
    });
    for (const rest of [[], ['key', '--shard', '1'], ['--shard', '-1'], ['--shard', 'x']]) {
      expect((await verb('explain', KEYSPACE, ...rest)).code, rest.join(' ')).toBe(2);
    }
    expect((await fetch(cluster.url(`/v1/explain/${KEYSPACE}`))).status).toBe(400);
    expect((await fetch(cluster.url(`/v1/explain/${KEYSPACE}?shard=99`))).status).toBe(400);
  });
});

describe('a restart of datanodes that nobody starts again', () => {
  test('is refused with an explanation', async () => {
    expect(await verb('node', 'restart', 'node-0')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('--restartable') as string,
    });
    await cluster.status('green');
  });
});

const HealthClient = makeGenericClientConstructor(healthService, 'grpc.health.v1.Health');

function grpcReadiness(): Promise<string> {
  const client = new HealthClient(cluster.masterGrpc, credentials.createInsecure());
  return new Promise((resolve, reject) => {
    client['check']!(
      { service: 'readiness' },
      (error: Error | null, answer: { status: string }) => {
        client.close();
        if (error === null) resolve(answer.status);
        else reject(error);
      },
    );
  });
}

/** The status that each interface reports at one time. */
async function stated() {
  const redis = connectRedis(cluster.master, KEYSPACE);
  const [status, redisInfo, own, metrics, ready] = await Promise.all([
    verb('status', '-o', 'json'),
    redis.info(),
    redis.call('STELE', 'HEALTH'),
    fetch(cluster.url('/metrics')).then((response) => response.text()),
    fetch(cluster.url('/readyz')).then((response) => response.status),
  ]);
  redis.disconnect();
  const words = ['unknown', 'green', 'yellow', 'red'];
  return {
    http: (await cluster.health()).status,
    cli: (JSON.parse(status.stdout) as { status: string }).status,
    info: /^stele_health:(\w+)/m.exec(redisInfo)?.[1],
    stele: (JSON.stringify(own).match(/green|yellow|red/) ?? [])[0],
    metric: words[Number(/^stele_health_status (\d)$/m.exec(metrics)?.[1])],
    ready: [ready === 200, (await grpcReadiness()) === 'SERVING'],
  };
}

async function expectEverywhere(status: 'green' | 'yellow' | 'red'): Promise<void> {
  await cluster.status(status);
  const isReady = status !== 'red';
  expect(await stated()).toEqual({
    ...{ http: status, cli: status, info: status, stele: status, metric: status },
    ready: [isReady, isReady],
  });
}

describe('every interface that reports health', () => {
  test('agrees with all others on green, yellow or red', async () => {
    await expectEverywhere('green');
    for (const id of NODES) expect((await verb('node', 'drain', id)).code).toBe(0);
    // No other datanode is left to take over its shards.
    await expectEverywhere('yellow');
    for (const id of NODES) expect((await verb('node', 'resume', id)).code).toBe(0);
    await expectEverywhere('green');
    await cluster.kill('node-2');
    await expectEverywhere('yellow');
    await cluster.kill('node-1');
    await expectEverywhere('red');
  }, 60_000);
});
