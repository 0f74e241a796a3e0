import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LookupCore } from '../../../master/front/lookup-core.ts';
import { LookupStatus } from '../../../proto/gen/stele/v1/lookup.ts';
import { FakeCluster } from '../../master/front/fake-cluster.ts';

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
