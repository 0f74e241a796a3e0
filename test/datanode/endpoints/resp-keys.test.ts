import { describe, expect, it } from 'vitest';
import { slotOfText } from '../../../ring/slot.ts';
import { numberedPairs, segmentsOf } from '../../support/segments/segments.ts';
import { RespNode, shown } from '../resp-node.ts';
import type { Answer } from '../resp-node.ts';

const SHARDS = 8;
const PAIRS = numberedPairs(2000);
const KEYS = PAIRS.map(([key]) => key);

describe.each(['memory', 'disk'] as const)('in the tier %s,', (tier) => {
  async function loaded(): Promise<RespNode> {
    const node = await RespNode.open(SHARDS, { tier });
    node.load(PAIRS);
    return node;
  }

  /** All keys that a scan returns, in order, and the number of calls. */
  async function scanAll(
    node: RespNode,
    words: readonly string[] = [],
    between: (call: number) => void = () => undefined,
  ): Promise<{ keys: string[]; calls: number }> {
    const keys: string[] = [];
    let cursor = '0';
    let calls = 0;
    do {
      const answer = await node.ask('SCAN', cursor, ...words);
      if (!Array.isArray(answer)) throw answer;
      cursor = shown(answer[0]);
      keys.push(...(answer[1] as string[]));
      between(++calls);
    } while (cursor !== '0');
    return { keys, calls };
  }

  const sorted = (keys: readonly string[]): string[] => [...keys].sort();

  describe('SCAN on a datanode', () => {
    it.each([1, 10, 333, 1_000_000])('gives every key once, COUNT %i at a time', async (count) => {
      const { keys, calls } = await scanAll(await loaded(), ['COUNT', String(count)]);
      expect(sorted(keys)).toEqual(sorted(KEYS));
      expect(calls).toBeLessThanOrEqual(Math.ceil(KEYS.length / count) + 1);
    });

    it('gives the keys of its own shards, and the other nodes theirs', async () => {
      const node = await loaded();
      const primary = [0, 3, 4];
      node.change((view) => {
        for (const [shard, route] of view.routes.entries()) {
          route.nodes = primary.includes(shard) ? [0, 1] : [1, 0];
        }
      });
      const expected = segmentsOf(PAIRS, SHARDS).filter(({ info }) => primary.includes(info.shard));
      const records = expected.reduce((sum, { info }) => sum + info.records, 0);
      const { keys } = await scanAll(node);
      expect(new Set(keys).size).toBe(records);
      expect(keys).toHaveLength(records);
      expect(await node.ask('DBSIZE')).toBe(records);
      const other = KEYS.find((key) => !keys.includes(key)) ?? '';
      expect(await node.ask('EXISTS', other)).toBe(1);
    });

    it('returns a key of several deltas once, and DBSIZE counts it once', async () => {
      const node = await RespNode.open(SHARDS, { tier });
      node.loadLayers([
        PAIRS,
        PAIRS.slice(100, 400).map(([key]) => [key, 'newer']),
        [...PAIRS.slice(300, 500), ['one', 'more']],
      ]);
      const { keys } = await scanAll(node, ['COUNT', '77']);
      expect(sorted(keys)).toEqual(sorted([...KEYS, 'one']));
      expect(await node.ask('DBSIZE')).toBe(KEYS.length + 1);
      const slot = String(slotOfText('key-350'));
      expect(await node.ask('CLUSTER', 'COUNTKEYSINSLOT', slot)).toBe(
        KEYS.filter((key) => slotOfText(key) === Number(slot)).length,
      );
    });

    it('matches, with a bounded amount of work per call even if nothing matches', async () => {
      const node = await loaded();
      const { keys } = await scanAll(node, ['MATCH', 'key-1?', 'COUNT', '50']);
      expect(sorted(keys)).toEqual(sorted(KEYS.filter((key) => /^key-1\d$/.test(key))));
      const none = await scanAll(node, ['MATCH', 'nothing*', 'COUNT', '100']);
      expect(none.keys).toEqual([]);
      expect(none.calls).toBeGreaterThanOrEqual(Math.floor(KEYS.length / 256));
    });

    it('ends a call early if matching would cost too much', async () => {
      const node = await RespNode.open(1, { tier });
      const long = 'a'.repeat(10_000);
      node.load(Array.from({ length: 20 }, (_, at) => [`${long}${at}`, '']));
      const pattern = `*${'a'.repeat(500)}b`;
      const { keys, calls } = await scanAll(node, ['MATCH', pattern, 'COUNT', '1000']);
      expect(keys).toEqual([]);
      expect(calls).toBeGreaterThanOrEqual(5);
    });

    it('ends a call early if the keys are large', async () => {
      const node = await RespNode.open(1, { tier });
      const long = 'k'.repeat(65_000);
      node.load(Array.from({ length: 100 }, (_, at) => [`${long}${at}`, '']));
      const { keys, calls } = await scanAll(node, ['COUNT', '1000']);
      expect(new Set(keys).size).toBe(100);
      expect(keys).toHaveLength(100);
      expect(calls).toBeGreaterThanOrEqual(6);
    });

    it('knows only strings', async () => {
      const node = await loaded();
      expect((await scanAll(node, ['TYPE', 'string'])).keys).toHaveLength(KEYS.length);
      expect(await node.ask('SCAN', '0', 'TYPE', 'hash')).toEqual(['0', []]);
    });

    it('stays with its version when the next one comes', async () => {
      const node = await loaded();
      const { keys } = await scanAll(node, ['COUNT', '100'], (call) => {
        if (call === 3) node.load(numberedPairs(50, ' of version 2'));
      });
      expect(sorted(keys)).toEqual(sorted(KEYS));
      expect((await scanAll(node)).keys).toHaveLength(50);
    });

    it('must begin again when its version is gone', async () => {
      const node = await loaded();
      const [cursor] = (await node.ask('SCAN', '0')) as Answer[];
      node.load(numberedPairs(50));
      node.load(numberedPairs(51));
      expect(await node.ask('SCAN', shown(cursor))).toEqual(
        new Error(
          'ERR the version that this cursor scans is gone (or it is a cursor of another keyspace); begin again with cursor 0',
        ),
      );
    });

    it('is an error, not a gap, if one of its shards is not here', async () => {
      const node = await RespNode.open(SHARDS, { tier });
      node.load(PAIRS, [2]);
      await expect(scanAll(node)).rejects.toThrow('CLUSTERDOWN Shard 2 of version 1 is not here.');
    });

    it('answers any number as a cursor, without harm', async () => {
      const node = await loaded();
      const [cursor] = (await node.ask('SCAN', '0')) as Answer[];
      const place = Number(shown(cursor)) % 2 ** 36;
      const snapshot = Number(shown(cursor)) - place;
      for (const forged of [0, 1, 2 ** 24 - 1, 7 * 2 ** 24, 8 * 2 ** 24, 4095 * 2 ** 24 + 5]) {
        const answer = (await node.ask('SCAN', String(snapshot + forged))) as Answer[];
        expect(answer).toHaveLength(2);
        expect(new Set(KEYS)).toEqual(new Set([...KEYS, ...(answer[1] as string[])]));
      }
      expect(await node.ask('SCAN', String(snapshot + 2 ** 40))).toBeInstanceOf(Error);
      expect(await node.ask('SCAN', '18446744073709551615')).toEqual(['0', []]);
      expect(await node.ask('SCAN', '18446744073709551616')).toEqual(
        new Error('ERR invalid cursor'),
      );
    });

    it('reports that nothing is loaded for a keyspace without a version', async () => {
      const node = await RespNode.open(SHARDS, { tier });
      node.change(() => undefined);
      expect(await node.ask('SCAN', '0')).toEqual(
        new Error("CLUSTERDOWN Nothing has been loaded into 'default' yet."),
      );
      node.session.keyspace = { name: 'nowhere', index: 5 };
      expect(shown(await node.ask('SCAN', '0'))).toMatch(/There is no keyspace 'nowhere'/);
    });
  });

  describe('RANDOMKEY on a datanode', () => {
    it('returns existing keys, each of them sooner or later', async () => {
      const node = await RespNode.open(SHARDS, { tier });
      const few = numberedPairs(20);
      node.load(few);
      const seen = new Map<Answer, number>();
      for (let round = 0; round < 2000; round++) {
        const key = await node.ask('RANDOMKEY');
        seen.set(key, (seen.get(key) ?? 0) + 1);
      }
      expect(sorted([...seen.keys()].map(shown))).toEqual(sorted(few.map(([key]) => key)));
    });

    it('is nil if there is no key', async () => {
      const node = await RespNode.open(SHARDS, { tier });
      node.load([]);
      expect(await node.ask('RANDOMKEY')).toBeNull();
      expect(await node.ask('SCAN', '0')).toEqual(['0', []]);
      expect(await node.ask('DBSIZE')).toBe(0);
    });
  });

  describe('the keys of a slot on a datanode', () => {
    const bySlot = new Map<number, string[]>();
    for (const key of KEYS) {
      const slot = slotOfText(key);
      bySlot.set(slot, [...(bySlot.get(slot) ?? []), key]);
    }

    it('are counted and listed, those of a slot and no others', async () => {
      const node = await loaded();
      for (const [slot, keys] of [...bySlot].slice(0, 40)) {
        expect(await node.ask('CLUSTER', 'COUNTKEYSINSLOT', String(slot))).toBe(keys.length);
        const listed = await node.ask('CLUSTER', 'GETKEYSINSLOT', String(slot), '1000');
        expect(sorted(listed as string[])).toEqual(sorted(keys));
        expect(await node.ask('CLUSTER', 'GETKEYSINSLOT', String(slot), '1')).toHaveLength(1);
      }
      const free =
        Array.from({ length: 100 }, (_, at) => at).find((slot) => !bySlot.has(slot)) ?? 0;
      expect(await node.ask('CLUSTER', 'COUNTKEYSINSLOT', String(free))).toBe(0);
      expect(await node.ask('CLUSTER', 'GETKEYSINSLOT', String(free), '10')).toEqual([]);
    });

    it('are none if the slot is elsewhere, as Redis counts what is local', async () => {
      const node = await RespNode.open(SHARDS, { tier });
      node.load(PAIRS, [0]);
      const asked = shown(await node.ask('CLUSTER', 'COUNTKEYSINSLOT', '5'));
      expect(asked).toMatch(/CLUSTERDOWN Shard 0 of version 1 is not here/);
      node.change((view) => view.routes.splice(0, 1, { nodes: [1] }));
      expect(await node.ask('CLUSTER', 'COUNTKEYSINSLOT', '5')).toBe(0);
      expect(await node.ask('CLUSTER', 'GETKEYSINSLOT', '5', '10')).toEqual([]);
    });

    it.each([
      [['COUNTKEYSINSLOT', '16384'], 'ERR Invalid slot'],
      [['COUNTKEYSINSLOT', '-1'], 'ERR Invalid slot'],
      [['COUNTKEYSINSLOT', 'x'], 'ERR value is not an integer or out of range'],
      [['GETKEYSINSLOT', '16384', '1'], 'ERR Invalid slot or number of keys'],
      [['GETKEYSINSLOT', '1', '-1'], 'ERR Invalid slot or number of keys'],
    ])('%j is refused in the words of Redis', async (words, message) => {
      const node = await loaded();
      expect(await node.ask('CLUSTER', ...words)).toEqual(new Error(message));
    });
  });

  describe('a transaction on a datanode', () => {
    it('is refused before EXEC if a key is elsewhere, as in Redis Cluster', async () => {
      const node = await loaded();
      expect(await node.ask('MULTI')).toBe('OK');
      expect(await node.ask('GET', KEYS[0] ?? '')).toBe('QUEUED');
      expect(shown(await node.ask('MGET', 'key-1', 'key-2'))).toMatch(/CROSSSLOT/);
      expect(shown(await node.ask('EXEC'))).toMatch(/EXECABORT/);
    });
  });

  describe('KEYS on a datanode', () => {
    it('lists the keys that match, and costs a lookup without special characters', async () => {
      const node = await loaded();
      const some = (await node.ask('KEYS', 'key-1?')) as string[];
      expect(sorted(some)).toEqual(sorted(KEYS.filter((key) => /^key-1\d$/.test(key))));
      expect(await node.ask('KEYS', 'key-1')).toEqual(['key-1']);
      expect(await node.ask('KEYS', 'none')).toEqual([]);
    });
  });

  it('each read has its time counted once, whenever it is answered', async () => {
    const node = await loaded();
    for (let round = 0; round < 3; round++) {
      for (const key of ['key-1', 'key-2', 'absent']) await node.ask('GET', key);
      await node.ask('MGET', 'key-{a}3', 'key-{a}4');
    }
    await node.ask('PING');
    expect(node.node.counters.latency.resp.total).toBe(3 * 5);
  });
});
