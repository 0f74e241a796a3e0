import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { systemTime } from '../../../../base/clock.ts';
import { SteleError, toSteleError } from '../../../../base/errors.ts';
import type { Metadata, Write } from '../../../../master/metadata/port.ts';
import { MemoryEtcd } from '../../../../master/metadata/etcd/memory-etcd.ts';
import type { CallFate } from '../../../../master/metadata/etcd/memory-etcd.ts';
import { get, put } from '../entries.ts';
import { layout, openAsLeader } from './leading.ts';

/** Nothing that compression would shorten. */
const LARGE = JSON.stringify(randomBytes(500_000).toString('base64'));

const contentOf = async (metadata: Metadata): Promise<Record<string, string>> =>
  Object.fromEntries((await metadata.list('')).map(({ key, value }) => [key, value]));
const pieceCount = (store: MemoryEtcd): number =>
  store.keys().filter((key) => key.startsWith(layout.pieces)).length;

describe('limits of etcd', () => {
  test('no value is above 512 KiB, no transaction above 64 operations or 1 MiB', async () => {
    const store = new MemoryEtcd(systemTime);
    const { metadata } = await openAsLeader(store.connect());
    const writes: Write[] = Array.from({ length: 500 }, (_, at) => ({
      kind: 'put',
      key: `k/${at}`,
      value: JSON.stringify('y'.repeat(15_000)),
    }));
    await metadata.transaction([...writes, { kind: 'put', key: 'large', value: LARGE }]);
    expect(store.operationsMax).toBeLessThanOrEqual(64);
    expect(store.bytesMax).toBeLessThanOrEqual(1024 * 1024);
    const { entries } = store.range('/', '0');
    expect(Math.max(...entries.map(({ value }) => value.length))).toBeLessThanOrEqual(512 * 1024);
  });

  test('pieces are kept as long as something names them, and not longer', async () => {
    const store = new MemoryEtcd(systemTime);
    const { metadata } = await openAsLeader(store.connect());
    await put(metadata, 'a', LARGE);
    const pieces = pieceCount(store);
    expect(pieces).toBeGreaterThan(1);
    await put(metadata, 'b', LARGE);
    expect(pieceCount(store)).toBe(pieces);
    await metadata.transaction([{ kind: 'delete', key: 'a' }]);
    expect(pieceCount(store)).toBe(pieces);
    await put(metadata, 'b', '1');
    await metadata.list('');
    expect(pieceCount(store)).toBe(0);
    expect(store.keys()).toHaveLength(3);
  });

  test('pieces that a transaction names which waited behind the removal stay', async () => {
    const store = new MemoryEtcd(systemTime);
    const { metadata } = await openAsLeader(store.connect());
    await put(metadata, 'a', LARGE);
    await Promise.all([put(metadata, 'a', '1'), put(metadata, 'a', LARGE)]);
    await metadata.list('');
    const next = await openAsLeader(store.connect());
    expect((await get(next.metadata, 'a'))?.value).toBe(LARGE);
  });

  test('a removal of pieces that arrives late removes none that are named again', async () => {
    const store = new MemoryEtcd(systemTime);
    let late: (() => void) | undefined;
    const client = store.connect();
    const transaction = client.transaction.bind(client);
    let isArmed = false;
    client.transaction = async (request) => {
      const removes = request.success.some(
        ({ key, kind }) => kind === 'delete' && key.startsWith(layout.pieces),
      );
      if (!isArmed || !removes) return transaction(request);
      isArmed = false;
      late = () => store.transaction(request);
      throw new SteleError('OUTCOME_UNKNOWN', 'The answer of etcd was lost.');
    };
    const { metadata } = await openAsLeader(client, store.connect());
    await put(metadata, 'a', LARGE);
    isArmed = true;
    await put(metadata, 'a', '1');
    await put(metadata, 'a', LARGE);
    late?.();
    const next = await openAsLeader(store.connect());
    expect((await get(next.metadata, 'a'))?.value).toBe(LARGE);
  });

  test('pieces of a transaction that was never made are removed by the next leader', async () => {
    const store = new MemoryEtcd(systemTime);
    let puts = 0;
    const client = store.connect((call) =>
      call === 'transaction' && ++puts > 5 ? 'refused' : 'answered',
    );
    const { metadata } = await openAsLeader(client, store.connect());
    await expect(put(metadata, 'a', LARGE + LARGE + LARGE)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    });
    expect(pieceCount(store)).toBeGreaterThan(0);
    const next = await openAsLeader(store.connect());
    expect(pieceCount(store)).toBe(0);
    expect(await next.metadata.list('')).toEqual([]);
  });
});

describe('a leader that was replaced', () => {
  test('changes nothing any more, and gives the lead up', async () => {
    const store = new MemoryEtcd(systemTime);
    const first = await openAsLeader(store.connect());
    await put(first.metadata, 'a', '1');
    const second = await openAsLeader(store.connect());
    await expect(put(first.metadata, 'a', '2')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(first.lost).toHaveLength(1);
    await expect(put(first.metadata, 'b', '2')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(first.lost).toHaveLength(1);
    await put(second.metadata, 'a', '3');
    expect((await get(second.metadata, 'a'))?.value).toBe('3');
  });

  test.each([
    ['an entry', { kind: 'put', key: `${layout.catalog}a`, value: '=2' }],
    ['a removal', { kind: 'delete', key: `${layout.catalog}a` }],
    ['a journal', { kind: 'put', key: layout.journal, value: '=[]' }],
  ] as const)('%s that something else writes ends the lead', async (_what, operation) => {
    const store = new MemoryEtcd(systemTime);
    const { lost, metadata } = await openAsLeader(store.connect());
    for (let at = 0; at < 20; at++) await put(metadata, 'a', String(at));
    expect(lost).toEqual([]);
    store.transaction({ compares: [], success: [operation] });
    await expect.poll(() => lost.length).toBe(1);
    expect(lost[0]).toMatchObject({ code: 'CONFLICT' });
  });

  test('something else that writes to the prefix ends the lead with a sentence', async () => {
    const store = new MemoryEtcd(systemTime);
    const { lost, metadata } = await openAsLeader(store.connect());
    store.transaction({ compares: [], success: [{ kind: 'put', key: layout.marker, value: '?' }] });
    await expect(put(metadata, 'a', '1')).rejects.toMatchObject({ code: 'CONFLICT' });
    expect(lost[0]?.message).toMatch(/--etcd-prefix/);
  });
});

describe('an answer that is lost', () => {
  /** A store whose client loses its next answers in these ways, and is answered afterwards. */
  async function losing(...fates: CallFate[]) {
    const store = new MemoryEtcd(systemTime);
    let armed: CallFate[] = [];
    const client = store.connect((call) =>
      call === 'transaction' ? (armed.shift() ?? 'answered') : 'answered',
    );
    const leading = await openAsLeader(client, store.connect());
    await put(leading.metadata, 'a', '1');
    armed = fates;
    return { store, ...leading };
  }

  test.each([
    [['lost before']],
    [['lost after']],
    [['lost before', 'lost before', 'refused', 'lost after']],
    [['lost after', 'lost before', 'refused', 'lost after']],
    [['lost before', 'lost after', 'lost after', 'lost before']],
  ] as const)('%j: the change is made once, and its caller learns it', async (fates) => {
    const { lost, metadata, store } = await losing(...fates);
    const revision = await put(metadata, 'a', '2');
    expect(await put(metadata, 'a', '3', revision)).toBeDefined();
    expect(lost).toEqual([]);
    const next = await openAsLeader(store.connect());
    expect(await contentOf(next.metadata)).toEqual({ a: '3' });
  });

  test.each([
    ['lost before', { code: 'UNAVAILABLE' }, '1'],
    ['lost after', undefined, '2'],
  ] as const)(
    '%s, and the lead is lost meanwhile: the truth is told while it can be known',
    async (fate, error, value) => {
      const store = new MemoryEtcd(systemTime);
      let fates: (() => CallFate)[] = [];
      const client = store.connect((call) =>
        call === 'transaction' ? (fates.shift()?.() ?? 'answered') : 'answered',
      );
      const { lost, metadata } = await openAsLeader(client, store.connect());
      await put(metadata, 'a', '1');
      const removeLeader = (): CallFate => {
        store.transaction({ compares: [], success: [{ kind: 'delete', key: layout.leader }] });
        return 'answered';
      };
      fates = [() => fate, removeLeader];
      const change = put(metadata, 'a', '2');
      if (error === undefined) await expect(change).resolves.toBeDefined();
      else await expect(change).rejects.toMatchObject(error);
      expect(lost).toHaveLength(1);
      const next = await openAsLeader(store.connect());
      expect(await contentOf(next.metadata)).toEqual({ a: value });
    },
  );

  test('and the next leader has changed something: the outcome is unknown, and said to be', async () => {
    const store = new MemoryEtcd(systemTime);
    let cut = false;
    const client = store.connect((call) =>
      cut && call === 'transaction' ? 'lost before' : 'answered',
    );
    const { lost, metadata } = await openAsLeader(client, store.connect());
    cut = true;
    const change = put(metadata, 'a', '2');
    const next = await openAsLeader(store.connect());
    await put(next.metadata, 'a', '5');
    cut = false;
    await expect(change).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    expect(lost).toHaveLength(1);
  });

  test('closing ends the wait for an etcd that never answers', async () => {
    const store = new MemoryEtcd(systemTime);
    let cut = false;
    const client = store.connect(() => (cut ? 'lost before' : 'answered'));
    const { metadata } = await openAsLeader(client, store.connect());
    cut = true;
    const change = expect(put(metadata, 'a', '2')).rejects.toMatchObject({
      code: 'OUTCOME_UNKNOWN',
    });
    await new Promise(setImmediate);
    await metadata.close();
    await change;
  });
});

describe('a leader that dies', () => {
  const writes = (value: string): Write[] => [
    ...Array.from({ length: 200 }, (_, at) => ({ kind: 'put', key: `k/${at}`, value }) as const),
    { kind: 'put', key: 'large', value: JSON.stringify(value.repeat(90_000)) },
  ];

  test('between any two calls of a large transaction leaves all of it or nothing', async () => {
    const outcomes = new Set<string>();
    for (let dies = 1; dies < 14; dies++) {
      const store = new MemoryEtcd(systemTime);
      const first = await openAsLeader(store.connect());
      await first.metadata.transaction(writes('"old"'));
      await first.metadata.close();
      let calls = 0;
      let armed = false;
      const never = new Promise<CallFate>(() => undefined);
      const client = store.connect(() => (armed && ++calls > dies ? never : 'answered'));
      const { metadata } = await openAsLeader(client, store.connect());
      armed = true;
      const change = metadata.transaction(writes('"new"')).catch(toSteleError);
      await Promise.race([change, new Promise((resolve) => setTimeout(resolve, 20))]);
      const next = await openAsLeader(store.connect());
      const values = new Set((await next.metadata.list('k/')).map(({ value }) => value));
      expect(values.size).toBe(1);
      const [value] = values;
      expect((await get(next.metadata, 'large'))?.value).toBe(
        JSON.stringify(value!.repeat(90_000)),
      );
      expect(store.keys()).not.toContain(layout.journal);
      outcomes.add(value!);
    }
    expect(outcomes).toEqual(new Set(['"old"', '"new"']));
  });
});

describe('etcd that was restored', () => {
  const deleteMarker = (store: MemoryEtcd): void => {
    store.transaction({ compares: [], success: [{ kind: 'delete', key: layout.marker }] });
  };

  test('is told by the marker that is deleted, until something is changed', async () => {
    const store = new MemoryEtcd(systemTime);
    const first = await openAsLeader(store.connect());
    expect(first.metadata.restored).toBe(false);
    await put(first.metadata, 'a', '1');
    deleteMarker(store);
    for (let leader = 0; leader < 2; leader++) {
      const { metadata } = await openAsLeader(store.connect());
      expect(metadata.restored).toBe(true);
    }
    const last = await openAsLeader(store.connect());
    await put(last.metadata, 'a', '2');
    expect(last.metadata.restored).toBe(false);
    expect((await openAsLeader(store.connect())).metadata.restored).toBe(false);
  });

  test('is still told when the first change was lost, settled, and refused when sent again', async () => {
    const store = new MemoryEtcd(systemTime);
    await put((await openAsLeader(store.connect())).metadata, 'a', '1');
    deleteMarker(store);
    let fates: CallFate[] = [];
    const client = store.connect((call) =>
      call === 'transaction' ? (fates.shift() ?? 'answered') : 'answered',
    );
    const { metadata } = await openAsLeader(client, store.connect());
    fates = ['lost before', 'answered', 'refused'];
    await expect(put(metadata, 'a', '2')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect((await openAsLeader(store.connect())).metadata.restored).toBe(true);
  });
});
