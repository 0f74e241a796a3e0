import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  KEY_BYTES_MAX,
  LOOKUP_IN_FLIGHT_BYTES_MAX,
  LOOKUP_REPLY_SOFT_BYTES,
} from '../../base/limits.ts';
import { LookupCore } from '../../master/front/lookup/lookup-core.ts';
import { LookupStatus } from '../../proto/gen/stele/v1/lookup.ts';
import { FakeCluster } from '../support/peers/fake-cluster.ts';
import { until } from '../support/process/stele-process.ts';

const { NOT_FOUND } = LookupStatus;

let cluster: FakeCluster;
let core: LookupCore;

function newCore(deadlineMs = 1000): LookupCore {
  return new LookupCore({ views: cluster, links: cluster.links, cacheMaxBytes: 0, deadlineMs });
}

function keys(...names: string[]): Buffer[] {
  return names.map((name) => Buffer.from(name));
}

async function read(name: string): Promise<string | number | undefined> {
  const outcome = await core.lookup('default', keys(name));
  return outcome.values[0]?.toString() ?? outcome.statuses[0];
}

beforeEach(() => {
  cluster = new FakeCluster();
  core = newCore();
});

afterEach(() => core.close());

describe('reads of a cluster that starts', () => {
  it('are refused for one keyspace and shard alone once all others were seen with a replica', async () => {
    core.close();
    cluster.put('k', 'v');
    const lost = cluster.shardOf('k');
    const alive = Array.from({ length: 200 }, (_, number) => `k${number}`).find(
      (name) => cluster.shardOf(name) !== lost,
    )!;
    cluster.restart([lost]);
    core = newCore();
    expect(await read(alive)).toBe(NOT_FOUND);
    const { failure } = await core.lookup('default', keys('k'));
    expect(failure).toMatchObject({ code: 'UNINITIALIZED' });
    expect(failure?.message).toContain(`shard ${lost} of keyspace 'default'`);
    // Every datanode was heard: what is not there is lost, and no longer expected.
    cluster.change((view) => {
      view.settled = true;
      view.routes[lost]!.nodes = [];
    });
    expect((await core.lookup('default', keys('k'))).failure?.code).toBe('UNAVAILABLE');
    await expect(core.lookup('unknown', keys('k'))).rejects.toMatchObject({
      code: 'KEYSPACE_NOT_FOUND',
    });
  });

  it('are never refused again for a shard after its first replica, whatever becomes of that', async () => {
    core.close();
    cluster.put('k', 'v');
    cluster.restart([cluster.shardOf('k'), 0, 1]);
    core = newCore();
    cluster.restart([0]);
    expect(await read('k')).toBe('v');
    cluster.restart();
    expect(await read('k')).toBe('v');
  });
});

describe('three replicas', () => {
  beforeEach(() => {
    core.close();
    cluster = new FakeCluster(3, 3);
    core = newCore();
    cluster.put('k', 'v');
  });

  it.each([0, 1, 2])('of which two are silent: the third one, %i, is asked', async (alive) => {
    for (const [id, node] of cluster.nodes) node.silent = id !== `datanode-${alive}`;
    // Some keys begin with each replica.
    const values = await Promise.all(Array.from({ length: 12 }, () => read('k')));
    expect(values).toEqual(Array.from({ length: 12 }, () => 'v'));
  });

  it('that are all silent: late, and not unavailable; each was asked once', async () => {
    for (const node of cluster.nodes.values()) node.silent = true;
    const { failure } = await core.lookup('default', keys('k'), { deadlineMs: 600 });
    expect(failure?.code).toBe('DEADLINE_EXCEEDED');
    expect([...cluster.nodes.values()].map(({ keysAsked }) => keysAsked)).toEqual([1, 1, 1]);
  });

  it('that all refuse: unavailable, and not late', async () => {
    for (const node of cluster.nodes.values()) node.rejecting = true;
    const { failure } = await core.lookup('default', keys('k'), { deadlineMs: 100 });
    expect(failure?.code).toBe('UNAVAILABLE');
  });
});

describe('the keys of one tick', () => {
  it('go to a node in one batch, whatever their keyspaces', async () => {
    cluster.put('k', 'v');
    cluster.versions.set('bb/1', new Map([['k', Buffer.from('other')]]));
    cluster.change((view) => {
      view.keyspaces.push({ ...view.keyspaces[0]!, uid: 'bb', name: 'other', index: 1 });
    });
    const outcomes = await Promise.all(
      ['default', 'other', 'default', 'other', 'default', 'other'].map((keyspace) =>
        core.lookup(keyspace, keys('k')),
      ),
    );
    expect(outcomes.map(({ values }) => String(values[0]))).toEqual([
      'v',
      'other',
      'v',
      'other',
      'v',
      'other',
    ]);
    for (const number of cluster.routeOf('k')) expect(cluster.node(number).calls).toBe(1);
  });

  it('are split into batches that a datanode takes', async () => {
    cluster = new FakeCluster(1, 1);
    core.close();
    core = newCore();
    const short = Array.from({ length: 10_000 }, (_, index) => Buffer.from(`key-${index}`));
    await core.lookup('default', short);
    const { batches } = cluster.node(0);
    expect(Math.max(...batches.map(({ length }) => length))).toBe(4096);
    expect(batches.flat()).toHaveLength(10_000);
    batches.length = 0;
    const long = Array.from({ length: 200 }, (_, index) => Buffer.alloc(60_000, `${index}-`));
    await core.lookup('default', long);
    const bytes = batches.map((batch) => batch.reduce((sum, key) => sum + key.length, 0));
    expect(Math.max(...bytes)).toBeLessThan(LOOKUP_REPLY_SOFT_BYTES + KEY_BYTES_MAX);
    expect(batches.flat()).toHaveLength(200);
  });
});

describe('a silent node', () => {
  beforeEach(() => {
    core.close();
    cluster = new FakeCluster(1, 1);
    core = newCore(30);
    cluster.node(0).silent = true;
  });

  it('has bounded bytes in flight, including those that nobody waits for any more', async () => {
    const long = Array.from({ length: 300 }, () => Buffer.alloc(60_000, 'k'));
    const codes = new Set<string | undefined>();
    for (let round = 0; round < 5; round++) {
      codes.add((await core.lookup('default', long)).failure?.code);
    }
    expect(codes).toEqual(new Set(['DEADLINE_EXCEEDED', 'OVERLOADED']));
    expect(cluster.node(0).keysAsked * 60_000).toBeLessThan(LOOKUP_IN_FLIGHT_BYTES_MAX + 60_000);
  });

  it('counts as asked until it answers', async () => {
    cluster.node(0).silent = false;
    cluster.node(0).delayMs = 60;
    const late = await core.lookup('default', keys('a', 'b'));
    expect(late.failure?.code).toBe('DEADLINE_EXCEEDED');
    const [slot] = [...core.router.nodes()];
    expect([slot?.inFlight, slot?.inFlightBytes]).toEqual([2, 2]);
    await until('the answers', () => Promise.resolve(slot?.inFlight === 0));
    expect(slot?.inFlightBytes).toBe(0);
  });
});

describe('a reader with a zone', () => {
  const zones = ['east', 'west', 'west'];

  function newCluster(zone: string): void {
    core.close();
    cluster = new FakeCluster(3, 3);
    cluster.change((view) => view.nodes.forEach((node, at) => (node.zone = zones[at] ?? '')));
    const parts = { views: cluster, links: cluster.links, cacheMaxBytes: 0, deadlineMs: 1000 };
    core = new LookupCore({ ...parts, zone });
    for (let number = 0; number < 100; number++) cluster.put(`k${number}`, 'v');
  }

  const readAll = (): Promise<unknown> =>
    Promise.all(Array.from({ length: 100 }, (_, number) => read(`k${number}`)));
  const asked = (): number[] => [...cluster.nodes.values()].map(({ keysAsked }) => keysAsked);

  it('asks the replicas in it, all alike, and the others when these fail', async () => {
    newCluster('west');
    await readAll();
    const [east, ...west] = asked();
    expect(east).toBe(0);
    expect(Math.min(...west)).toBeGreaterThan(20);
    for (const number of [1, 2]) cluster.node(number).rejecting = true;
    expect(await read('k1')).toBe('v');
    expect(asked()[0]).toBeGreaterThan(0);
  });

  it('asks everybody where it has none, or none that is known', async () => {
    for (const zone of ['', 'south']) {
      newCluster(zone);
      await readAll();
      expect(Math.min(...asked())).toBeGreaterThan(5);
    }
  });
});
