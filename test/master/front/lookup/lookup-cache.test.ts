import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LookupCore } from '../../../../master/front/lookup/lookup-core.ts';
import { LookupStatus } from '../../../../proto/gen/stele/v1/lookup.ts';
import { fill, keys, newCore, read } from './lookups.ts';
import { FakeCluster, UID } from '../../../support/peers/fake-cluster.ts';

const { NOT_FOUND } = LookupStatus;

let cluster: FakeCluster;
let core: LookupCore;

beforeEach(() => {
  cluster = new FakeCluster();
  core = newCore(cluster);
});

afterEach(() => core.close());

describe('the cache', () => {
  beforeEach(() => {
    core.close();
    core = newCore(cluster, 1024 * 1024);
  });

  it('answers the second read without a datanode, with the node it came from', async () => {
    cluster.put(Buffer.from([0xff, 0x00]), Buffer.from([0, 0xff, 0x80, 10]));
    const key = [Buffer.from([0xff, 0x00])];
    const first = await core.lookup('default', key);
    const calls = [...cluster.nodes.values()].map((node) => node.calls);
    const second = await core.lookup('default', key);
    expect(second.values[0]).toEqual(Buffer.from([0, 0xff, 0x80, 10]));
    expect(second.nodeIds).toEqual(first.nodeIds);
    expect([...cluster.nodes.values()].map((node) => node.calls)).toEqual(calls);
    expect(core.cache.hits).toBe(1);
  });

  it('does not keep misses', async () => {
    expect(await read(core, 'later')).toBe(NOT_FOUND);
    cluster.put('later', 'now');
    expect(await read(core, 'later')).toBe('now');
  });

  it('is never stale over versions and over keyspaces made again', async () => {
    fill(cluster, 1, 1);
    expect(await read(core, 'key-0')).toBe('key-0@1');
    fill(cluster, 1, 2);
    cluster.change((view) => {
      view.keyspaces[0]!.versions = [1, 2];
      view.keyspaces[0]!.currentVersion = 2;
    });
    expect(await read(core, 'key-0')).toBe('key-0@2');
    cluster.versions.set('bb/1', new Map([['key-0', Buffer.from('other')]]));
    cluster.change((view) => {
      view.keyspaces[0] = { ...view.keyspaces[0]!, uid: 'bb', currentVersion: 1, versions: [1] };
    });
    expect(await read(core, 'key-0')).toBe('other');
    cluster.change((view) => {
      view.keyspaces[0] = { ...view.keyspaces[0]!, uid: UID, currentVersion: 1, versions: [1] };
    });
    expect(await read(core, 'key-0')).toBe('key-0@1');
  });

  it('stays within its bytes and takes no value that would fill it', async () => {
    for (let number = 0; number < 60; number++) cluster.put(`big-${number}`, Buffer.alloc(50_000));
    cluster.put('huge', Buffer.alloc(500_000));
    for (const _ of ['noted', 'taken']) {
      for (let number = 0; number < 60; number++) await read(core, `big-${number}`);
      await read(core, 'huge');
    }
    expect(core.cache.byteLength).toBeLessThanOrEqual(1024 * 1024);
    expect(core.cache.entryCount).toBeGreaterThan(10);
    expect(core.cache.entryCount).toBeLessThan(25);
  });

  it('keeps what is read often when everything else is read once', async () => {
    for (let number = 0; number < 500; number++) cluster.put(`k-${number}`, Buffer.alloc(20_000));
    for (let number = 0; number < 100; number++) await read(core, `k-${number}`);
    await read(core, 'k-7');
    await read(core, 'k-7');
    for (let number = 100; number < 500; number++) await read(core, `k-${number}`);
    const { hits } = core.cache;
    await read(core, 'k-7');
    expect(core.cache.hits).toBe(hits + 1);
  });

  it('gives out large values that are whole after the network buffer was used again', async () => {
    cluster.put('large', Buffer.alloc(5000, 0x61));
    await read(core, 'large');
    const again = await core.lookup('default', keys('large'));
    expect(again.values[0]!.equals(Buffer.alloc(5000, 0x61))).toBe(true);
  });
});
