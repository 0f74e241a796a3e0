// Builds that are committed while processes die: the datanodes pull the rest, and the version has the
// digest that it would have had.

import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { openStore } from '../../../archive/open-store.ts';
import type { ObjectStore } from '../../../archive/object-store.ts';
import { hasEtcd } from '../../support/process/etcd-server.ts';
import { TestCluster } from '../../support/process/cluster.ts';
import { MastersCluster } from '../../support/process/masters-cluster.ts';
import { flags, stele, SteleProcess } from '../../support/process/stele-process.ts';
import type { Finished } from '../../support/process/stele-process.ts';
import { TestS3 } from '../../support/s3/s3-server.ts';
import { numberedPairs, segmentsOf } from '../../support/segments/segments.ts';
import { putBuild } from '../../support/segments/stored.ts';
import type { CreatedKeyspace } from '../../support/segments/stored.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 120_000 });

const SHARDS = 32;
/** After so many objects something dies: there are two reads of each segment. */
const PULLED = SHARDS / 2;

interface Summary {
  readonly version: number;
  readonly records: number;
  readonly digest: string;
  readonly shards_resumed: number;
}

let s3: TestS3;

beforeAll(async () => {
  s3 = await TestS3.start();
  for (const [name, value] of Object.entries(s3.environment)) vi.stubEnv(name, value);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await s3?.stop();
});
afterEach(() => {
  s3.fault = () => undefined;
});

/** Pairs of one test alone, so that no datanode has its segments. */
const pairsOf = (name: string) => numberedPairs(4000, ` of ${name}`);

async function built(masters: string, name: string): Promise<ObjectStore> {
  const own = flags({ master: masters, output: 'json' });
  const { code, stderr, stdout } = await stele(['keyspace', 'create', name, ...own]);
  expect(code, stderr).toBe(0);
  const created = JSON.parse(stdout) as CreatedKeyspace;
  const store = await openStore(`${s3.url}/${name}`, {}, { environment: s3.environment });
  expect(segmentsOf(pairsOf(name), SHARDS, created.uid)).toHaveLength(SHARDS);
  await putBuild(store, created, pairsOf(name));
  return store;
}

function commit(masters: string, name: string, store: ObjectStore): SteleProcess {
  const own = flags({ master: masters, output: 'json' });
  return new SteleProcess(['commit', name, store.url, ...own]);
}

/** Calls `then` once PULLED segments have been asked for; a little later each is served. */
function halfway(then: () => Promise<unknown>): Promise<unknown> {
  return new Promise((resolve, reject) => {
    let asked = 0;
    s3.fault = ({ key, what }) => {
      if (what !== 'GetObject' || !key.includes('/segments/')) return undefined;
      if (++asked === PULLED) then().then(resolve, reject);
      // Those after it are repeated, so that something is left to be pulled.
      return asked >= PULLED && asked < 2 * PULLED ? 'slow-down' : undefined;
    };
  });
}

function summaryOf({ code, stderr, stdout }: Finished): Summary {
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as Summary;
}

describe('a commit, with one master', () => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await TestCluster.start({ shards: SHARDS });
  });
  afterAll(() => cluster?.close());

  test('survives a datanode that is killed and comes back', async () => {
    const store = await built(cluster.masterGrpc, 'node-lost');
    const lost = halfway(async () => {
      await cluster.kill('node-1');
      await cluster.startNode('node-1');
    });
    const summary = summaryOf(await commit(cluster.masterGrpc, 'node-lost', store).finished());
    await lost;
    expect(summary).toMatchObject({ version: 1, records: 4000 });
    await cluster.status('green');
    expect(await cluster.digest('node-lost')).toBe(summary.digest);
  });

  test('survives a master that is killed and comes back', async () => {
    const store = await built(cluster.masterGrpc, 'master-lost');
    const lost = halfway(async () => {
      await cluster.kill('master');
      await cluster.startMaster();
    });
    const summary = summaryOf(await commit(cluster.masterGrpc, 'master-lost', store).finished());
    await lost;
    expect(summary).toMatchObject({ version: 1, records: 4000 });
    await cluster.status('green');
    expect(await cluster.digest('master-lost')).toBe(summary.digest);
  });

  test.each(['SIGKILL', 'SIGTERM'] as const)(
    'that ends by %s shows nothing, and goes on with the same command',
    async (signal) => {
      const name = `client-${signal.toLowerCase()}`;
      const store = await built(cluster.masterGrpc, name);
      const first = commit(cluster.masterGrpc, name, store);
      const lost = halfway(() => first.kill(signal));
      const { code } = await first.finished();
      await lost;
      expect(code).toBe(signal === 'SIGKILL' ? null : 143);
      const listed = await cluster.json(`/v1/keyspaces/${name}`);
      expect(listed).toMatchObject({ current_version: 0 });
      s3.fault = () => undefined;
      const before = s3.count('GetObject');
      const summary = summaryOf(await commit(cluster.masterGrpc, name, store).finished());
      expect(summary).toMatchObject({ version: 1, records: 4000 });
      // Mark, task, merge, and what is left of two reads of each segment.
      expect(s3.count('GetObject') - before).toBeLessThan(2 * SHARDS);
    },
  );
});

if (hasEtcd()) {
  test('a commit survives a leader of several masters that is killed', async () => {
    const cluster = await MastersCluster.start({ shards: SHARDS });
    try {
      const store = await built(cluster.masterList, 'leader-lost');
      const leader = await cluster.leader();
      const lost = halfway(() => cluster.kill(`master-${leader}`));
      const summary = summaryOf(await commit(cluster.masterList, 'leader-lost', store).finished());
      await lost;
      expect(summary).toMatchObject({ version: 1, records: 4000 });
      const again = summaryOf(await commit(cluster.masterList, 'leader-lost', store).finished());
      expect(again).toMatchObject({ version: 1, already_current: true });
    } finally {
      await cluster.close();
    }
  });
}
