import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { clientBytes } from '../../../../base/byte-budget.ts';
import type { LookupCore } from '../../../../master/front/lookup/lookup-core.ts';
import { LookupStatus } from '../../../../proto/gen/stele/v1/lookup.ts';
import { NodeState } from '../../../../proto/gen/stele/v1/view.ts';
import { fill, keys, newCore, read } from './lookups.ts';
import { FakeCluster } from '../../../support/peers/fake-cluster.ts';

const { OK, NOT_FOUND, UNAVAILABLE } = LookupStatus;

let cluster: FakeCluster;
let core: LookupCore;

beforeEach(() => {
  cluster = new FakeCluster();
  core = newCore(cluster);
});

afterEach(() => core.close());

describe('routing', () => {
  it('answers each key of a batch in order, misses among them', async () => {
    const names = fill(cluster, 500);
    const outcome = await core.lookup('default', keys(...names, 'nobody'));
    expect(outcome.target.version).toBe(1);
    expect(outcome.values.slice(0, 500).map(String)).toEqual(names.map((name) => `${name}@1`));
    expect(outcome.statuses.slice(0, 500).every((status) => status === OK)).toBe(true);
    expect(outcome.statuses[500]).toBe(NOT_FOUND);
    expect(outcome.values[500]).toBeUndefined();
    expect(outcome.failure).toBeUndefined();
  });

  it('asks each node once for a batch, and only nodes of the route', async () => {
    const names = fill(cluster, 300);
    const outcome = await core.lookup('default', keys(...names));
    for (const node of cluster.nodes.values()) expect(node.calls).toBe(1);
    names.forEach((name, index) => {
      const number = Number(outcome.nodeIds[index]!.at(-1));
      expect(cluster.routeOf(name)).toContain(number);
    });
  });

  it('spreads the keys of one shard over both replicas', async () => {
    const names = fill(cluster, 2000);
    await core.lookup('default', keys(...names));
    // A slow machine asks some of them twice.
    for (const node of cluster.nodes.values()) expect(node.keysAsked).toBeGreaterThan(500);
  });

  it('spreads them over all of five replicas, the third and later ones too', async () => {
    core.close();
    cluster = new FakeCluster(5, 5);
    core = newCore(cluster);
    const names = fill(cluster, 5000);
    await core.lookup('default', keys(...names));
    for (const node of cluster.nodes.values()) expect(node.keysAsked).toBeGreaterThan(900);
  });

  it('puts all single reads of a turn into one call a node', async () => {
    const names = fill(cluster, 300);
    const outcomes = await Promise.all(names.map((name) => core.lookup('default', keys(name))));
    expect(outcomes.map((outcome) => String(outcome.values[0]))).toEqual(
      names.map((name) => `${name}@1`),
    );
    for (const node of cluster.nodes.values()) expect(node.calls).toBe(1);
  });

  it('keeps empty values apart from missing ones', async () => {
    cluster.put('empty', '');
    const outcome = await core.lookup('default', keys('empty'));
    expect(outcome.statuses).toEqual([OK]);
    expect(outcome.values[0]).toEqual(Buffer.alloc(0));
  });

  it('answers a batch of no keys', async () => {
    expect((await core.lookup('default', [])).statuses).toEqual([]);
  });

  it('gives up what it counted as in flight', async () => {
    cluster.node(1).rejecting = true;
    await core.lookup('default', keys(...fill(cluster, 100)));
    for (const slot of core.router.nodes()) expect(slot.inFlight).toBe(0);
  });
});

describe('a failing replica', () => {
  it('costs one hop when it rejects, and no read fails', async () => {
    cluster.node(0).rejecting = true;
    const names = fill(cluster, 300);
    const outcome = await core.lookup('default', keys(...names));
    expect(outcome.statuses.every((status) => status === OK)).toBe(true);
    expect(core.dispatcher.retries).toBeGreaterThan(0);
    // It is known to fail now: the next batch leaves it alone.
    const asked = cluster.node(0).calls;
    await core.lookup('default', keys(...names));
    expect(cluster.node(0).calls).toBe(asked);
  });

  it('is passed by when it is offline', async () => {
    cluster.node(2).online = false;
    const outcome = await core.lookup('default', keys(...fill(cluster, 300)));
    expect(outcome.statuses.every((status) => status === OK)).toBe(true);
    expect(cluster.node(2).calls).toBe(0);
  });

  it('that lacks a shard is not believed to know a miss', async () => {
    cluster.put('there', 'v');
    const shard = cluster.shardOf('there');
    cluster.node(cluster.routeOf('there')[0]!).missingShards.add(shard);
    for (let round = 0; round < 4; round++) expect(await read(core, 'there')).toBe('v');
  });

  it('that lacks a shard everywhere makes its keys UNAVAILABLE and no others', async () => {
    core.close();
    core = newCore(cluster, 0, 60);
    const names = fill(cluster, 200);
    const shard = cluster.shardOf(names[0]!);
    for (const node of cluster.nodes.values()) node.missingShards.add(shard);
    const outcome = await core.lookup('default', keys(...names));
    names.forEach((name, index) => {
      const expected = cluster.shardOf(name) === shard ? UNAVAILABLE : OK;
      expect(outcome.statuses[index]).toBe(expected);
    });
    expect(outcome.failure?.code).toBe('UNAVAILABLE');
  });

  it('that is silent is helped out by the other within a fraction of the deadline', async () => {
    cluster.node(0).silent = true;
    const names = fill(cluster, 100);
    const begin = performance.now();
    const outcome = await core.lookup('default', keys(...names));
    expect(outcome.statuses.every((status) => status === OK)).toBe(true);
    expect(performance.now() - begin).toBeLessThan(400);
    expect(core.dispatcher.hedges).toBeGreaterThan(0);
  });

  it('that is silent does not use up the hedge budget for good', async () => {
    cluster.node(0).silent = true;
    const names = fill(cluster, 3000);
    const outcome = await core.lookup('default', keys(...names));
    expect(outcome.statuses.every((status) => status === OK)).toBe(true);
    expect(core.dispatcher.hedges).toBeLessThanOrEqual(256 + 0.1 * 3000);
  });

  it('that is slow is hedged around', async () => {
    cluster.node(0).delayMs = 300;
    cluster.put('k', 'v');
    const [first] = cluster.routeOf('k');
    cluster.node(first!).delayMs = 300;
    for (let round = 0; round < 6; round++) {
      const begin = performance.now();
      expect(await read(core, 'k')).toBe('v');
      expect(performance.now() - begin).toBeLessThan(250);
    }
  });
});

describe('the window before the view changes', () => {
  it('is waited out: a read succeeds when a new view brings a replica', async () => {
    cluster.put('k', 'v');
    const [first, second] = cluster.routeOf('k');
    const third = [0, 1, 2].find((number) => number !== first && number !== second)!;
    cluster.node(first!).rejecting = true;
    cluster.node(second!).online = false;
    const reading = read(core, 'k');
    await new Promise((resolve) => setTimeout(resolve, 30));
    cluster.change((view) => {
      view.routes[cluster.shardOf('k')]!.nodes = [third];
    });
    expect(await reading).toBe('v');
    expect(cluster.node(third).calls).toBe(1);
  });

  it('is waited out: a read succeeds when a replica comes back under the same view', async () => {
    cluster.put('k', 'v');
    for (const node of cluster.nodes.values()) node.rejecting = true;
    const reading = read(core, 'k');
    await new Promise((resolve) => setTimeout(resolve, 30));
    for (const node of cluster.nodes.values()) node.rejecting = false;
    expect(await reading).toBe('v');
  });

  it('ends at the deadline, with the last reason', async () => {
    core.close();
    core = newCore(cluster, 0, 80);
    for (const node of cluster.nodes.values()) node.rejecting = true;
    const begin = performance.now();
    const outcome = await core.lookup('default', keys('k'));
    expect(outcome.statuses).toEqual([UNAVAILABLE]);
    expect(outcome.failure?.message).toMatch(/refuses/);
    expect(performance.now() - begin).toBeGreaterThanOrEqual(75);
    expect(performance.now() - begin).toBeLessThan(400);
  });

  it('does not exist for a shard without a route: that fails at once', async () => {
    cluster.put('k', 'v');
    cluster.change((view) => {
      view.routes[cluster.shardOf('k')]!.nodes = [];
      view.ready = false;
    });
    const begin = performance.now();
    const outcome = await core.lookup('default', keys('k'));
    expect(outcome.statuses).toEqual([UNAVAILABLE]);
    expect(performance.now() - begin).toBeLessThan(50);
  });

  it('asks a suspect only when nobody else is left', async () => {
    cluster.put('k', 'v');
    const [first, second] = cluster.routeOf('k');
    cluster.change((view) => {
      view.nodes[first!]!.state = NodeState.SUSPECT;
    });
    for (let round = 0; round < 4; round++) expect(await read(core, 'k')).toBe('v');
    expect(cluster.node(first!).calls).toBe(0);
    cluster.node(second!).rejecting = true;
    expect(await read(core, 'k')).toBe('v');
    expect(cluster.node(first!).calls).toBe(1);
  });
});

describe('versions', () => {
  it('are never mixed in one batch while they are swapped', async () => {
    const names = fill(cluster, 50, 1);
    fill(cluster, 50, 2);
    let swaps = 0;
    const swapper = setInterval(() => {
      swaps++;
      cluster.change((view) => {
        view.keyspaces[0]!.versions = [1, 2];
        view.keyspaces[0]!.currentVersion = (swaps % 2) + 1;
      });
    }, 1);
    const seen = new Set<string>();
    try {
      for (let round = 0; round < 200; round++) {
        if (round % 10 === 0) cluster.node(round % 3).delayMs = round % 20 === 0 ? 2 : 0;
        const outcome = await core.lookup('default', keys(...names));
        const versions = new Set(outcome.values.map((value) => value!.toString().split('@')[1]));
        expect([...versions]).toEqual([String(outcome.target.version)]);
        seen.add([...versions][0]!);
      }
    } finally {
      clearInterval(swapper);
    }
    expect(seen.size).toBe(2);
  });

  it('can be asked for by number', async () => {
    fill(cluster, 1, 1);
    fill(cluster, 1, 2);
    cluster.change((view) => {
      view.keyspaces[0]!.versions = [1, 2];
      view.keyspaces[0]!.currentVersion = 2;
    });
    const old = await core.lookup('default', keys('key-0'), { version: 1 });
    expect(String(old.values[0])).toBe('key-0@1');
    expect(await read(core, 'key-0')).toBe('key-0@2');
    await expect(core.lookup('default', keys('key-0'), { version: 7 })).rejects.toMatchObject({
      code: 'VERSION_NOT_FOUND',
    });
  });
});

describe('refusals of a whole batch', () => {
  it('say UNINITIALIZED before the cluster was ready, never "not found"', async () => {
    core.close();
    cluster.restart();
    core = newCore(cluster);
    await expect(core.lookup('default', keys('k'))).rejects.toMatchObject({
      code: 'UNINITIALIZED',
    });
    await expect(core.lookup('unknown', keys('k'))).rejects.toMatchObject({
      code: 'UNINITIALIZED',
    });
    cluster.becomeReady();
    expect(await read(core, 'k')).toBe(NOT_FOUND);
  });

  it('name an unknown keyspace, and one without data', async () => {
    await expect(core.lookup('nope', keys('k'))).rejects.toMatchObject({
      code: 'KEYSPACE_NOT_FOUND',
    });
    cluster.change((view) => {
      view.keyspaces.push({
        uid: 'ff',
        name: 'fresh',
        index: 1,
        currentVersion: 0,
        versions: [],
        fingerprints: [],
        records: 0,
      });
    });
    await expect(core.lookup('fresh', keys('k'))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('name too long a key and too many keys', async () => {
    await expect(core.lookup('default', [Buffer.alloc(65_537)])).rejects.toMatchObject({
      code: 'KEY_TOO_LONG',
    });
    const many = Array.from({ length: 10_001 }, () => Buffer.from('k'));
    await expect(core.lookup('default', many)).rejects.toMatchObject({ code: 'BATCH_TOO_LARGE' });
  });

  it('ask for no more once the values are too large together', async () => {
    const value = Buffer.alloc(64 * 1024);
    const names = Array.from({ length: 9000 }, (_, index) => `large-${index}`);
    for (const name of names) cluster.put(name, value);
    const asked = (): number =>
      [...cluster.nodes.values()].reduce((sum, node) => sum + node.keysAsked, 0);
    const before = asked();
    const reading = core.lookup('default', keys(...names), { valueBytesMax: 4 * 1024 * 1024 });
    await expect(reading).rejects.toMatchObject({ code: 'BATCH_TOO_LARGE', retryable: false });
    expect(asked() - before).toBeLessThan(1500);
    const held = clientBytes.usedBytes;
    expect((await core.lookup('default', keys(...names.slice(0, 900)))).values).toHaveLength(900);
    expect(clientBytes.usedBytes).toBe(held);
  });

  it('are refused while clients have not taken much', async () => {
    cluster.put('k', 'value');
    const release = clientBytes.reserve(clientBytes.limitBytes);
    onTestFinished(release);
    await expect(core.lookup('default', keys('k'))).rejects.toMatchObject({ code: 'OVERLOADED' });
  });

  it('follow an abort at once', async () => {
    for (const node of cluster.nodes.values()) node.silent = true;
    const abort = new AbortController();
    const reading = core.lookup('default', keys('k'), { signal: abort.signal });
    abort.abort();
    await expect(reading).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it('fail what waits when the core is closed', async () => {
    for (const node of cluster.nodes.values()) node.silent = true;
    const reading = core.lookup('default', keys('a', 'b'));
    core.close();
    expect((await reading).statuses).toEqual([UNAVAILABLE, UNAVAILABLE]);
  });
});
