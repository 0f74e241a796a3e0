import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ScanOptions } from '../../client/key-scan.ts';
import { fakeClient, fill, swapTo } from './fake-parts.ts';
import type { FakeClient } from './fake-parts.ts';

let fake: FakeClient;

beforeEach(() => {
  fake = fakeClient();
});

afterEach(() => fake.client.close());

async function scanned(options: ScanOptions = {}): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of fake.client.scan('default', options)) keys.push(key.toString('latin1'));
  return keys;
}

describe('scan', () => {
  it.each([1, 7, 1000])('gives every key once, %i at a time', async (count) => {
    const names = fill(fake.cluster, 200);
    const keys = await scanned({ count });
    expect(keys).toHaveLength(names.length);
    expect(new Set(keys)).toEqual(new Set(names));
  });

  it('returns those with a prefix, byte by byte, or that match a glob', async () => {
    fill(fake.cluster, 30);
    for (const key of ['a*b', 'a*c', 'axb', 'a[1]', '\\x']) fake.cluster.put(key, '1');
    expect((await scanned({ prefix: 'a*' })).sort()).toEqual(['a*b', 'a*c']);
    expect(await scanned({ prefix: 'a[' })).toEqual(['a[1]']);
    expect(await scanned({ prefix: Buffer.from('\\') })).toEqual(['\\x']);
    expect((await scanned({ match: 'a?b' })).sort()).toEqual(['a*b', 'axb']);
    expect(await scanned({ prefix: '' })).toHaveLength(35);
    await expect(scanned({ match: 'a', prefix: 'b' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    await expect(scanned({ count: 0 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('stays with its first version', async () => {
    const names = fill(fake.cluster, 100);
    fake.cluster.put('only in 2', '1', 2);
    const keys: string[] = [];
    for await (const key of fake.client.scan('default', { count: 10 })) {
      if (keys.length === 5) swapTo(fake.cluster, 2);
      keys.push(String(key));
    }
    expect(new Set(keys)).toEqual(new Set(names));
  });

  it('ends with an error if that version is no longer kept', async () => {
    fill(fake.cluster, 100);
    fill(fake.cluster, 100, 2);
    fill(fake.cluster, 100, 3);
    const scan = fake.client.scan('default', { count: 1 });
    await scan.next();
    swapTo(fake.cluster, 2);
    swapTo(fake.cluster, 3);
    await expect(
      (async () => {
        for await (const _ of scan);
      })(),
    ).rejects.toMatchObject({ code: 'VERSION_NOT_FOUND' });
  });

  it('continues at another replica, and waits for the next view if there is none', async () => {
    const { cluster } = fake;
    const names = fill(cluster, 100);
    cluster.node(0).rejecting = true;
    expect(new Set(await scanned({ count: 10 }))).toEqual(new Set(names));
    cluster.node(1).rejecting = true;
    const all = scanned({ count: 10, deadlineMs: 5000 });
    setTimeout(() => (cluster.node(1).rejecting = false), 60);
    expect(new Set(await all)).toEqual(new Set(names));
  });

  it('asks a second replica if one is slow, and fetches the next page while this one is processed', async () => {
    const { cluster } = fake;
    fill(cluster, 100);
    cluster.node(0).delayMs = 3000;
    const startedMs = performance.now();
    const first = fake.client.scan('default', { count: 1000 });
    await first.next();
    expect(performance.now() - startedMs).toBeLessThan(1000);
    await first.return();
    cluster.node(0).delayMs = 0;
    const calls = (): number =>
      [...cluster.nodes.values()].reduce((sum, node) => sum + node.calls, 0);
    const before = calls();
    const second = fake.client.scan('default', { count: 10 });
    await second.next();
    expect(calls()).toBe(before + 2);
    await second.next();
    expect(calls()).toBe(before + 2);
    await second.return();
  });

  it('fails if no replica of a shard answers', async () => {
    fill(fake.cluster, 100);
    for (const node of fake.cluster.nodes.values()) node.missingShards.add(5);
    await expect(scanned({ deadlineMs: 80 })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('can be left early, and cancelled', async () => {
    fill(fake.cluster, 100);
    for await (const key of fake.client.scan('default')) {
      expect(key).toBeInstanceOf(Buffer);
      break;
    }
    const controller = new AbortController();
    const { signal } = controller;
    const scan = fake.client.scan('default', { signal, count: 10 });
    await scan.next();
    controller.abort();
    await expect(scan.next()).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});
