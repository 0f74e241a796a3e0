import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NodeState } from '../../proto/gen/stele/v1/view.ts';
import { FakeCluster } from '../support/peers/fake-cluster.ts';
import { fakeClient, fill, swapTo } from './fake-parts.ts';
import type { FakeClient } from './fake-parts.ts';
import { SteleClient } from '../../client/stele-client.ts';

let fake: FakeClient;

beforeEach(() => {
  fake = fakeClient();
});

afterEach(() => fake.client.close());

describe('get and getMany', () => {
  it('answers in order, null only if a key does not exist', async () => {
    const names = fill(fake.cluster, 300);
    const { values, version } = await fake.client.getMany('default', [...names, 'nobody']);
    expect(version).toBe(1);
    expect(values.map((value) => value && String(value))).toEqual([
      ...names.map((name) => `${name}@1`),
      null,
    ]);
    expect(String(await fake.client.get('default', Buffer.from('key-7')))).toBe('key-7@1');
    expect(await fake.client.get('default', 'nobody')).toBeNull();
    expect(await fake.client.getMany('default', [])).toEqual({ version: 1, values: [] });
  });

  it('keeps an empty value apart from a missing one', async () => {
    fake.cluster.put('empty', '');
    expect(await fake.client.get('default', 'empty')).toEqual(Buffer.alloc(0));
  });

  it('asks each node once for all keys of a turn', async () => {
    const names = fill(fake.cluster, 100);
    await Promise.all(names.map((name) => fake.client.get('default', name)));
    for (const node of fake.cluster.nodes.values()) expect(node.calls).toBe(1);
  });

  it('reads every key of a batch from the version that was current when it began', async () => {
    const names = fill(fake.cluster, 100);
    fill(fake.cluster, 100, 2);
    for (const node of fake.cluster.nodes.values()) node.delayMs = 10;
    const before = fake.client.getMany('default', names);
    swapTo(fake.cluster, 2);
    const after = fake.client.getMany('default', names);
    expect((await before).values.map(String)).toEqual(names.map((name) => `${name}@1`));
    expect((await after).values.map(String)).toEqual(names.map((name) => `${name}@2`));
    expect([(await before).version, (await after).version]).toEqual([1, 2]);
  });

  it('refuses what cannot be read with an error that says why', async () => {
    const { client, cluster } = fake;
    await expect(client.get('nowhere', 'a')).rejects.toMatchObject({ code: 'KEYSPACE_NOT_FOUND' });
    await expect(client.get('default', 'k'.repeat(65_537))).rejects.toMatchObject({
      code: 'KEY_TOO_LONG',
    });
    cluster.change((view) => {
      view.keyspaces[0]!.suspended = true;
    });
    await expect(client.get('default', 'a')).rejects.toMatchObject({ code: 'SUSPENDED' });
  });

  it('bounds the keys in flight, and subtracts them when they are settled', async () => {
    const { client } = fake;
    const many = Array.from({ length: 60_000 }, (_, number) => `k${number}`);
    const first = client.getMany('default', many);
    const second = client.getMany('default', many);
    await expect(second).rejects.toMatchObject({ code: 'OVERLOADED' });
    await expect(client.getMany('default', [...many, ...many])).rejects.toMatchObject({
      code: 'BATCH_TOO_LARGE',
    });
    expect(client.stats().keysInFlight).toBe(60_000);
    await first;
    expect(client.stats().keysInFlight).toBe(0);
  });

  it('counts the keys that wait for the first view, and bounds them', async () => {
    const { client, views } = fake;
    const many = fill(fake.cluster, 60_000);
    let arrive = (): void => undefined;
    views.arrived = false;
    views.arrival = new Promise((resolve) => (arrive = resolve));
    const first = client.getMany('default', many);
    await expect(client.getMany('default', many)).rejects.toMatchObject({ code: 'OVERLOADED' });
    expect(client.stats().keysInFlight).toBe(60_000);
    views.arrived = true;
    arrive();
    expect((await first).values.length).toBe(60_000);
    expect(client.stats().keysInFlight).toBe(0);
    views.arrived = false;
    await expect(client.get('default', 'a')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(client.stats().keysInFlight).toBe(0);
  });

  it('reads no key of a call that is too large', async () => {
    const keys = Array.from({ length: 100_001 }, () => 'a');
    keys.map = () => {
      throw new Error('looked at');
    };
    await expect(fake.client.getMany('default', keys)).rejects.toMatchObject({
      code: 'BATCH_TOO_LARGE',
    });
  });

  it.each<[string, (client: SteleClient) => Promise<unknown>]>([
    ['a key that is a number', (client) => client.get('default', 42 as never)],
    ['no key', (client) => client.get('default', undefined as never)],
    ['one key for many', (client) => client.getMany('default', 'abc' as never)],
    ['no keyspace', (client) => client.get(undefined as never, 'a')],
    ['no keyspace to watch', (client) => client.watch(undefined as never).next()],
    ['a deadline that is no number', (client) => client.get('default', 'a', { deadlineMs: NaN })],
    ['a deadline of 0', (client) => client.getMany('default', ['a'], { deadlineMs: 0 })],
    ['a deadline never', (client) => client.keyspaces({ deadlineMs: Infinity })],
    ['a page without time', (client) => client.scan('default', { deadlineMs: -1 }).next()],
  ])('refuses %s', async (_, call) => {
    fill(fake.cluster, 10);
    await expect(call(fake.client)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(fake.client.stats().keysInFlight).toBe(0);
  });

  it('reads the available part of a cluster that is not ready, and fails for the rest', async () => {
    const cluster = new FakeCluster();
    fill(cluster, 10);
    cluster.restart([]);
    const late = fakeClient(cluster);
    expect(String(await late.client.get('default', 'key-1'))).toBe('key-1@1');
    await expect(late.client.get('nowhere', 'a')).rejects.toMatchObject({ code: 'UNINITIALIZED' });
    cluster.change((view) => {
      for (const route of view.routes) route.nodes = [];
    });
    await expect(late.client.get('default', 'key-1')).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    });
    await late.client.close();
  });
});

describe('partial results', () => {
  it('gives value, null and undefined side by side, with the reason', async () => {
    const { client, cluster } = fake;
    const names = fill(cluster, 200);
    const dead = cluster.shardOf(names[0]!);
    for (const node of cluster.nodes.values()) node.missingShards.add(dead);
    const asked = [...names, 'nobody-1', 'nobody-2', 'nobody-3'];
    const result = await client.getMany('default', asked, { partial: true, deadlineMs: 50 });
    asked.forEach((name, index) => {
      const value = result.values[index];
      if (cluster.shardOf(name) === dead) expect(value).toBeUndefined();
      else expect(value === null ? null : String(value)).toBe(names[index] ? `${name}@1` : null);
    });
    const lost = asked.filter((name) => cluster.shardOf(name) === dead).length;
    expect(result).toMatchObject({ version: 1, unavailable: lost });
    expect(result.failure).toMatchObject({ code: 'UNAVAILABLE' });
    await expect(client.getMany('default', asked, { deadlineMs: 50 })).rejects.toThrow(
      `${lost} of ${asked.length} keys of 'default' cannot be read`,
    );
  });
});

describe('replicas', () => {
  it('cost one hop when one fails, which is then asked last for a while', async () => {
    const names = fill(fake.cluster, 300);
    const bad = fake.cluster.node(0);
    bad.rejecting = true;
    await fake.client.getMany('default', names);
    const { calls } = bad;
    expect(calls).toBe(1);
    await fake.client.getMany('default', names);
    expect(bad.calls).toBe(calls);
    bad.rejecting = false;
  });

  it('are hedged: a silent one does not make its keys wait for its deadline', async () => {
    const names = fill(fake.cluster, 30);
    await fake.client.getMany('default', names);
    fake.cluster.node(0).silent = true;
    const startMs = performance.now();
    const { values } = await fake.client.getMany('default', names);
    expect(performance.now() - startMs).toBeLessThan(200);
    expect(values.map(String)).toEqual(names.map((name) => `${name}@1`));
    expect(fake.client.stats().hedges).toBeGreaterThan(0);
  });

  it('are hedged for at most one key in ten, and a silent one is given up after a while', async () => {
    const names = fill(fake.cluster, 1000);
    await fake.client.getMany('default', names.slice(0, 100));
    fake.cluster.node(0).silent = true;
    const { values } = await fake.client.getMany('default', names);
    expect(values.every((value) => value !== null)).toBe(true);
    const { hedges } = fake.client.stats();
    expect(hedges).toBeGreaterThan(200);
    expect(hedges).toBeLessThanOrEqual(256 + 0.1 * 1100);
  });

  it('get no reads while another replica is not SUSPECT', async () => {
    const names = fill(fake.cluster, 300);
    fake.cluster.change((view) => {
      view.nodes[1]!.state = NodeState.SUSPECT;
    });
    await fake.client.getMany('default', names);
    expect(fake.cluster.node(1).keysAsked).toBe(0);
  });

  it('that flap fail no read and leave one link per node', async () => {
    const { client, cluster, links } = fake;
    const names = fill(cluster, 50);
    for (let round = 0; round < 20; round++) {
      cluster.node(0).rejecting = round % 2 === 0;
      cluster.change((view) => {
        view.nodes[0]!.address!.grpcPort = 50_100 + round;
        view.nodes[0]!.state = round % 2 === 0 ? NodeState.DOWN : NodeState.SERVING;
      });
      const { values } = await client.getMany('default', names);
      expect(values.every((value) => value !== null)).toBe(true);
    }
    const stillOpen = links.opened.length - links.closed.length;
    expect(stillOpen).toBeLessThanOrEqual(3);
    await client.close();
    expect(links.opened.length).toBe(links.closed.length);
    expect(client.stats().keysInFlight).toBe(0);
  });
});

describe('ending', () => {
  it('cancels at once, however silent the datanodes are', async () => {
    const names = fill(fake.cluster, 100);
    for (const node of fake.cluster.nodes.values()) node.silent = true;
    const controller = new AbortController();
    const read = fake.client.getMany('default', names, { signal: controller.signal });
    const startMs = performance.now();
    controller.abort();
    await expect(read).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(performance.now() - startMs).toBeLessThan(50);
    expect(fake.client.stats().keysInFlight).toBe(0);
    expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
    const late = fake.client.get('default', 'a', { signal: controller.signal });
    await expect(late).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it('stops listening to a signal that was not needed', async () => {
    const names = fill(fake.cluster, 10);
    const { signal } = new AbortController();
    await fake.client.getMany('default', names, { signal });
    for await (const _ of fake.client.scan('default', { signal }));
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('listens to a signal once, however many calls there are', async () => {
    fill(fake.cluster, 10);
    for (const node of fake.cluster.nodes.values()) node.delayMs = 20;
    const controller = new AbortController();
    const { signal } = controller;
    const reads = Array.from({ length: 50 }, () => fake.client.get('default', 'key-1', { signal }));
    const scan = fake.client.scan('default', { signal });
    const page = scan.next();
    await new Promise(setImmediate);
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    controller.abort(new Error('enough'));
    for (const call of [...reads, page]) {
      const cause = { message: 'enough' };
      await expect(call).rejects.toMatchObject({ code: 'CANCELLED', cause });
    }
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('close() ends a scan whose page is in flight, and may be called again', async () => {
    const { client, cluster } = fake;
    fill(cluster, 100);
    for (const node of cluster.nodes.values()) node.delayMs = 60_000;
    const page = client.scan('default').next();
    await new Promise(setImmediate);
    const startMs = performance.now();
    await client.close();
    await client.close();
    await expect(page).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(performance.now() - startMs).toBeLessThan(1000);
  });

  it('close() fails what is in flight, and later calls', async () => {
    const { client, cluster, views } = fake;
    fill(cluster, 10);
    for (const node of cluster.nodes.values()) node.silent = true;
    const read = client.getMany('default', ['key-1', 'key-2'], { partial: true });
    const watch = client.watch('default');
    expect((await watch.next()).value).toMatchObject({ version: 1 });
    const next = watch.next();
    await new Promise(setImmediate);
    await client.close();
    await expect(read).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect(next).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect(client.get('default', 'key-1')).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect(client.scan('default').next()).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect(client.keyspaces()).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(views).toMatchObject({ closed: true });
  });

  it('reports that no master answers', async () => {
    const { client, views } = fake;
    views.arrived = false;
    await expect(client.get('default', 'a')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(client.keyspaces()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});

it('lists the keyspaces by name', async () => {
  fake.cluster.change((view) => {
    view.keyspaces.push({ ...view.keyspaces[0]!, uid: 'b', name: 'airports', versions: [1, 2] });
    view.keyspaces[0]!.suspended = true;
  });
  expect(await fake.client.keyspaces()).toEqual([
    { name: 'airports', version: 1, versions: [1, 2], records: 0, suspended: false },
    { name: 'default', version: 1, versions: [1], records: 0, suspended: true },
  ]);
});

it.each([
  [[]],
  [undefined],
  ['127.0.0.1:8400'],
  [['localhost']],
  [['http://localhost:8400']],
  [['localhost:0']],
  [['localhost:70000']],
  [['::1:8400']],
])('refuses the seeds %j', (seeds) => {
  expect(() => new SteleClient({ seeds: seeds as never })).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
  );
});

it('refuses a deadline that never comes', () => {
  expect(() => new SteleClient({ seeds: ['a:1'], deadlineMs: Infinity })).toThrow(/deadlineMs/);
});
