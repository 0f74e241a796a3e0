// Backups and restores that are killed, interrupted, or lose a datanode: run again, they end as if
// nothing had been.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import {
  jsonOf,
  start,
  startFilled,
  succeed,
  versionsOf,
  wrongReads,
} from '../../support/process/archived-cluster.ts';
import type { BackupJson, RestoreJson } from '../../support/process/archived-cluster.ts';
import { TestCluster } from '../../support/process/cluster.ts';
import { flags, until } from '../../support/process/stele-process.ts';
import type { SteleProcess } from '../../support/process/stele-process.ts';
import { TestS3 } from '../../support/s3/s3-server.ts';

// Clusters are started, filled and read by many processes.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

interface Keyspaces {
  readonly keyspaces: readonly { readonly current_version: number }[];
}

let cluster: TestCluster;
let s3: TestS3;

beforeAll(async () => {
  cluster = await startFilled();
});
beforeEach(async () => {
  s3 = await TestS3.start();
  return () => s3.stop();
});
afterAll(() => cluster.close());

/** Calls `then` at the operation `what` number `count` on a segment. */
function at(what: string, count: number, then: () => unknown): void {
  let seen = 0;
  s3.fault = (operation) => {
    if (operation.what === what && operation.key.includes('/segments/') && ++seen === count) then();
    return undefined;
  };
}

function snapshots(): string[] {
  return [...s3.objects.keys()].filter((key) => key.includes('/snapshots/'));
}

async function backup(): Promise<BackupJson> {
  return succeed<BackupJson>(cluster, ['backup', s3.url], s3.environment);
}

test.each(['SIGKILL', 'SIGINT', 'SIGTERM'] as const)(
  'a backup ended by %s goes on',
  async (signal) => {
    const process: SteleProcess = start(cluster, ['backup', s3.url], s3.environment);
    at('PutObject', 20, () => process.child.kill(signal));
    const { code } = await process.finished();
    expect(code).toBe({ SIGKILL: null, SIGINT: 130, SIGTERM: 143 }[signal]);
    expect(snapshots()).toEqual([]);
    const there = s3.objects.size;
    expect(there).toBeGreaterThan(10);
    const { copied, present } = await backup();
    expect(present.objects).toBeGreaterThan(10);
    expect(copied.objects).toBeGreaterThan(0);
    expect(snapshots()).toHaveLength(1);
  },
);

test('a backup survives a datanode that is killed', async () => {
  const process = start(cluster, ['backup', s3.url], s3.environment);
  let killed: Promise<unknown> | undefined;
  at('PutObject', 5, () => (killed ??= cluster.kill('node-1')));
  const { copied } = jsonOf(await process.finished()) as BackupJson;
  await killed;
  expect(copied.objects).toBeGreaterThan(32);
  expect(snapshots()).toHaveLength(1);
  await cluster.startNode('node-1');
  await cluster.nodesServing(3);
  await cluster.status('green');
});

test.each([16, 8])('a restore into %i shards that is killed goes on', async (shards) => {
  await backup();
  const digests = { prices: await cluster.digest('prices'), geo: await cluster.digest('geo') };
  const other = await TestCluster.start({ datanodes: 2, shards });
  try {
    for (const count of [10, 30]) {
      const process = start(other, ['restore', s3.url], s3.environment);
      at('GetObject', count, () => process.child.kill('SIGKILL'));
      const { signal, stderr } = await process.finished();
      expect([signal, stderr]).toEqual(['SIGKILL', '']);
      // Nothing is visible before everything is there.
      const { keyspaces } = (await other.json('/v1/keyspaces')) as Keyspaces;
      expect(keyspaces.filter((one) => one.current_version !== 0)).toEqual([]);
    }
    s3.fault = () => undefined;
    const reads = s3.count('GetObject');
    await succeed<RestoreJson>(other, ['restore', s3.url], s3.environment);
    expect(s3.count('GetObject') - reads).toBeLessThan(60);
    expect({ prices: await other.digest('prices'), geo: await other.digest('geo') }).toEqual(
      digests,
    );
    expect(await wrongReads(other, 'prices')).toEqual([]);
  } finally {
    await other.close();
  }
});

test('a restore of rows that is killed while they are loaded goes on', async () => {
  await backup();
  const other = await TestCluster.start({ datanodes: 2, shards: 8 });
  try {
    const process = start(other, ['restore', s3.url], s3.environment);
    await until('a load', async () => {
      const { loads } = (await other.json('/v1/loads')) as { loads: readonly object[] };
      return loads.length > 0;
    });
    await process.kill();
    await succeed<RestoreJson>(other, ['restore', s3.url], s3.environment);
    expect(await other.digest('prices')).toBe(await cluster.digest('prices'));
    expect(await other.digest('geo')).toBe(await cluster.digest('geo'));
  } finally {
    await other.close();
  }
});

test('a restore that loses a datanode waits for it', async () => {
  await backup();
  const other = await TestCluster.start({ datanodes: 2, shards: 16 });
  try {
    const process = start(other, ['restore', s3.url], s3.environment);
    let killed: Promise<unknown> | undefined;
    at(
      'GetObject',
      10,
      () => (killed ??= other.kill('node-1').then(() => other.startNode('node-1'))),
    );
    jsonOf(await process.finished());
    await killed;
    expect((await versionsOf(other, 'prices')).map(({ version }) => version)).toEqual([1, 2]);
    expect(await wrongReads(other, 'prices')).toEqual([]);
    await other.status('green');
  } finally {
    await other.close();
  }
});

test('a backup is of the moment at which it began, whatever is loaded meanwhile', async () => {
  const filled = await startFilled();
  const other = await TestCluster.start({ datanodes: 1, replication: 1, shards: 16 });
  try {
    const columns = flags({ header: 'no', mode: 'append', keep: 50 });
    const append = async (number: number): Promise<void> => {
      const file = join(filled.folder, `${number}.tsv`);
      const rows = Array.from({ length: 400 }, (_, row) => `key-${row}\t${number}\n`);
      writeFileSync(file, rows.join(''));
      await filled.load('prices', [file], columns);
    };
    await append(1);
    const digest = await filled.digest('prices');
    const slow = ['backup', s3.url, '--limit-rate', '400KiB', '--transfers', '2'];
    const process = start(filled, slow, s3.environment);
    await until('a segment', async () => s3.count('PutObject') > 5);
    for (let number = 2; number <= 4; number++) await append(number);
    expect(s3.objects.size).toBeLessThan(50);
    const { keyspaces } = jsonOf(await process.finished()) as BackupJson;
    expect(keyspaces.find(({ name }) => name === 'prices')?.digest).toBe(digest);
    await succeed<RestoreJson>(other, ['restore', s3.url], s3.environment);
    expect(await other.digest('prices')).toBe(digest);
    expect(await wrongReads(other, 'prices')).toEqual([]);
  } finally {
    await Promise.all([filled.close(), other.close()]);
  }
});

test('a store with faults in every fifth request delays, and nothing else', async () => {
  let count = 0;
  const faults = ['error', 'slow-down', 'reset', 'torn', 'lost'] as const;
  s3.fault = () => (++count % 5 === 0 ? faults[(count / 5) % faults.length] : undefined);
  await backup();
  const other = await TestCluster.start({ datanodes: 1, replication: 1, shards: 16 });
  try {
    await succeed<RestoreJson>(other, ['restore', s3.url], s3.environment);
    expect(await other.digest('prices')).toBe(await cluster.digest('prices'));
  } finally {
    await other.close();
  }
});
