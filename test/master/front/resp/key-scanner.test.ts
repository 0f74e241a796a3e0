import { beforeEach, describe, expect, it } from 'vitest';
import { KeyScanner } from '../../../../master/front/resp/key-scanner.ts';
import { Router } from '../../../../routing/router.ts';
import { slotOfText } from '../../../../ring/slot.ts';
import { FakeCluster, UID } from '../../../support/peers/fake-cluster.ts';

const TARGET = { keyspaceUid: UID, version: 1 };
const BEGIN = { shard: 0, position: 0 };
const SHARDS = 16;
const KEYS = Array.from({ length: 300 }, (_, number) => `k${number}`);

let cluster: FakeCluster;
let router: Router;
let scanner: KeyScanner;

beforeEach(() => {
  cluster = new FakeCluster();
  for (const key of KEYS) cluster.put(key, '');
  router = new Router();
  router.update(cluster.current());
  cluster.subscribe((view) => router.update(view));
  let seed = 1;
  scanner = new KeyScanner({
    router,
    links: cluster.links,
    deadlineMs: 1000,
    nowMs: () => performance.now(),
    random: () => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647,
  });
});

/** Each node only has the shards that the route gives it, as in a real cluster. */
function onlyRouted(): void {
  for (const [number, node] of [...cluster.nodes.values()].entries()) {
    cluster.current().routes.forEach((route, shard) => {
      if (!route.nodes.includes(number)) node.missingShards.add(shard);
    });
  }
}

async function scanAll(
  count: number,
  pattern?: string,
): Promise<{ keys: string[]; pages: number }> {
  const keys: string[] = [];
  let place = BEGIN;
  let pages = 0;
  do {
    const bytes = pattern === undefined ? undefined : Buffer.from(pattern);
    const page = await scanner.scan(TARGET, place, count, bytes);
    keys.push(...page.keys.map(String));
    place = page.next;
    pages++;
  } while (place.shard < SHARDS);
  return { keys, pages };
}

const sorted = (keys: readonly string[]): string[] => [...keys].sort();

describe('a scan over the whole keyspace', () => {
  it.each([1, 10, 1000])('meets every key once, %i at a time, from node to node', async (count) => {
    onlyRouted();
    const { keys } = await scanAll(count);
    expect(sorted(keys)).toEqual(sorted(KEYS));
  });

  it('goes to another replica when one is offline, or refuses', async () => {
    onlyRouted();
    cluster.node(0).online = false;
    expect(sorted((await scanAll(10)).keys)).toEqual(sorted(KEYS));
    cluster.node(0).online = true;
    cluster.node(1).rejecting = true;
    expect(sorted((await scanAll(10)).keys)).toEqual(sorted(KEYS));
  });

  it('is an error, and no gap, at a shard that nobody answers for', async () => {
    cluster.change((view) => (view.routes[7]!.nodes = []));
    onlyRouted();
    await expect(scanAll(1000)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: 'No replica of shard 7 answered: none is there',
    });
    cluster.change((view) => (view.routes[7]!.nodes = [0]));
    await expect(scanAll(1000)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('asks a bounded number of nodes a call, however little they have', async () => {
    onlyRouted();
    const before = calls();
    const page = await scanner.scan(TARGET, BEGIN, 1_000_000, Buffer.from('nothing'));
    expect(page.keys).toEqual([]);
    expect(calls() - before).toBeLessThanOrEqual(32);
    expect((await scanAll(25, 'k1?')).keys).toHaveLength(10);
    expect((await scanAll(25, 'k1?')).pages).toBeGreaterThan(5);
  });

  it('refuses more at once than it may keep in memory', async () => {
    const asked = Array.from({ length: 300 }, () => scanner.scan(TARGET, BEGIN, 10, undefined));
    const outcomes = await Promise.allSettled(asked);
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
    expect(refused).toHaveLength(44);
    expect(refused[0]?.reason).toMatchObject({ code: 'OVERLOADED' });
    expect((await scanner.scan(TARGET, BEGIN, 10, undefined)).keys.length).toBeGreaterThan(0);
  });
});

describe('a random key', () => {
  it('is one that is there, wherever it is', async () => {
    onlyRouted();
    cluster.versions.get(`${UID}/1`)!.clear();
    cluster.put('only', '');
    for (let round = 0; round < 20; round++) {
      expect(String(await scanner.randomKey(TARGET, 1))).toBe('only');
    }
  });

  it('differs from one call to the next', async () => {
    onlyRouted();
    const seen = new Set<string>();
    for (let round = 0; round < 100; round++) {
      seen.add(String(await scanner.randomKey(TARGET, KEYS.length)));
    }
    expect(seen.size).toBeGreaterThan(30);
  });

  it('is none only where there is none; else UNAVAILABLE', async () => {
    expect(await scanner.randomKey(TARGET, 0)).toBeUndefined();
    for (const node of cluster.nodes.values()) node.online = false;
    await expect(scanner.randomKey(TARGET, 5)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});

describe('the keys of a slot', () => {
  it('are counted and listed by a replica of their shard', async () => {
    const slot = slotOfText('k5');
    const expected = KEYS.filter((key) => slotOfText(key) === slot);
    expect(await scanner.countSlot(TARGET, slot)).toBe(expected.length);
    expect((await scanner.slotKeys(TARGET, slot, 10)).map(String)).toEqual(expected);
    expect(await scanner.slotKeys(TARGET, slot, 0)).toEqual([]);
    for (const number of cluster.routeOf('k5')) cluster.node(number).online = false;
    await expect(scanner.countSlot(TARGET, slot)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});

function calls(): number {
  return [...cluster.nodes.values()].reduce((sum, node) => sum + node.calls, 0);
}
