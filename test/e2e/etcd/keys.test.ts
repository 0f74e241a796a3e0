import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { silentLogger } from '../../../base/log.ts';
import { EtcdClient } from '../../../master/metadata/etcd/etcd-client.ts';
import { EtcdServer, hasEtcd } from '../../support/process/etcd-server.ts';
import { until } from '../../support/process/stele-process.ts';

describe.skipIf(!hasEtcd())('keys of one member', () => {
  let server: EtcdServer;
  let client: EtcdClient;

  beforeAll(async () => {
    server = await EtcdServer.start();
    client = new EtcdClient({ endpoints: server.endpoints, log: silentLogger });
  });

  afterAll(async () => {
    client.close();
    await server.close();
  });

  const put = (key: string, value: string | Uint8Array, lease = 0) =>
    client.transaction({ compares: [], success: [{ kind: 'put', key, value, lease }] });

  test('a transaction puts, deletes and reads, and says at which revision', async () => {
    const first = await put('a/1', 'one');
    const second = await client.transaction({
      compares: [],
      success: [
        { kind: 'put', key: 'a/2', value: Buffer.from([0, 255]) },
        { kind: 'range', key: 'a/', end: 'a0' },
        { kind: 'delete', key: 'a/1' },
        { kind: 'range', key: 'a/', end: 'a0' },
      ],
    });
    expect(second.succeeded).toBe(true);
    expect(second.revision).toBe(first.revision + 1);
    expect(second.ranges.map((range) => range.map(({ key }) => key))).toEqual([
      ['a/1', 'a/2'],
      ['a/2'],
    ]);
    const { revision, entries } = await client.range('a/', 'a0');
    expect(revision).toBe(second.revision);
    expect(entries).toEqual([
      {
        key: 'a/2',
        value: Buffer.from([0, 255]),
        createRevision: revision,
        modRevision: revision,
        version: 1,
        lease: 0,
      },
    ]);
  });

  test('a range reads one key, older revisions, keys alone, and not more than asked for', async () => {
    const { revision } = await put('b/1', 'old');
    await put('b/1', 'new');
    await put('b/12', 'longer');
    const values = async (...args: Parameters<EtcdClient['range']>): Promise<string[]> =>
      (await client.range(...args)).entries.map(({ value }) => value.toString());
    expect(await values('b/1')).toEqual(['new']);
    expect(await values('b/1', 'b0', { revision })).toEqual(['old']);
    expect(await values('b/1', 'b0', { keysOnly: true })).toEqual(['', '']);
    expect(await values('b/1', 'b0', { limit: 1 })).toEqual(['new']);
    expect(await values('b/none')).toEqual([]);
  });

  test('a condition on the revision fences a writer out', async () => {
    const claim = {
      compares: [{ key: 'leader', target: 'create', revision: 0 }],
      success: [{ kind: 'put', key: 'leader', value: 'me' }],
      failure: [{ kind: 'range', key: 'leader' }],
    } as const;
    const mine = await client.transaction(claim);
    const other = await client.transaction(claim);
    expect([mine.succeeded, other.succeeded]).toEqual([true, false]);
    const held = other.ranges[0]![0]!;
    expect(held.createRevision).toBe(mine.revision);
    const write = (target: 'create' | 'mod', revision: number) =>
      client.transaction({
        compares: [{ key: 'leader', target, revision }],
        success: [{ kind: 'put', key: 'state', value: String(revision) }],
      });
    expect((await write('create', held.createRevision)).succeeded).toBe(true);
    expect((await write('mod', held.modRevision)).succeeded).toBe(true);
    expect((await write('create', held.createRevision + 1)).succeeded).toBe(false);
    expect((await write('mod', held.modRevision + 1)).succeeded).toBe(false);
  });

  test('a range of many megabytes comes in pages of one revision', async () => {
    const value = Buffer.alloc(100_000, 'x');
    for (let at = 0; at < 60; at++) await put(`page/${String(at).padStart(3, '0')}`, value);
    await put('page/large', Buffer.alloc(1_500_000, 'y'));
    const ends = ['page/', 'page/zzz'];
    const success = ends.map((key) => ({ kind: 'put' as const, key, value: '' }));
    await client.transaction({ compares: [], success });
    const read = new AbortController();
    const reading = client.range('page/', 'page0').finally(() => read.abort());
    while (!read.signal.aborted) await client.transaction({ compares: [], success });
    const { entries, revision } = await reading;
    expect(entries.length).toBe(63);
    expect(entries.map(({ key }) => key)).toEqual(entries.map(({ key }) => key).sort());
    expect(entries.every(({ modRevision }) => modRevision <= revision)).toBe(true);
    expect(entries.at(-1)?.modRevision).toBe(entries[0]?.modRevision);
    expect(entries[61]?.value.length).toBe(1_500_000);
  });

  test('what etcd refuses is an error that says why', async () => {
    await expect(put('large', Buffer.alloc(1_600_000))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('the request is too large for it') as string,
    });
    await expect(put('larger', Buffer.alloc(3_000_000))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('the request is too large for it') as string,
    });
    const success = Array.from({ length: 129 }, (_, at) => ({
      kind: 'put' as const,
      key: `many/${at}`,
      value: '',
    }));
    await expect(client.transaction({ compares: [], success })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('more operations than it takes (128') as string,
    });
    const { entries } = await client.range('la', 'n');
    expect(entries.map(({ key }) => key)).toEqual(['leader']);
  });

  test('a compacted revision is an error, and compacting twice is none', async () => {
    const { revision } = await put('c', '1');
    await put('c', '2');
    await client.compact(revision + 1);
    await client.compact(revision);
    await expect(client.range('c', undefined, { revision })).rejects.toMatchObject({
      code: 'CORRUPT',
      message: expect.stringContaining('was compacted') as string,
    });
    expect((await client.range('c')).entries.length).toBe(1);
    await expect(client.compact(revision + 1000)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  });

  test('the status names the version, the leader and the size', async () => {
    const [address = ''] = server.endpoints;
    const status = await client.status(address);
    expect(status).toMatchObject({ leaderId: status.memberId, problems: [] });
    expect(status.version).toMatch(/^\d+[.]\d+[.]\d+$/);
    expect(BigInt(status.clusterId)).toBeGreaterThan(0n);
    expect(status.databaseBytes).toBeGreaterThan(0);
    expect(status.raftTerm).toBeGreaterThan(0);
    await expect(client.status('127.0.0.1:1')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

test.skipIf(!hasEtcd())(
  'a full database refuses changes with what to do, and is still read',
  async () => {
    const server = await EtcdServer.start({
      flags: ['--quota-backend-bytes', String(8 * 1024 ** 2)],
    });
    const client = new EtcdClient({ endpoints: server.endpoints, log: silentLogger });
    onTestFinished(async () => {
      client.close();
      await server.close();
    });
    const value = Buffer.alloc(1024 ** 2);
    const fill = async (): Promise<never> => {
      for (;;)
        await client.transaction({ compares: [], success: [{ kind: 'put', key: 'a', value }] });
    };
    await expect(fill()).rejects.toMatchObject({
      code: 'OUTCOME_UNKNOWN',
      message: expect.stringContaining('etcdctl alarm disarm') as string,
      cause: { code: 'DISK_FULL' },
    });
    expect((await client.range('a')).entries.length).toBe(1);
    await until('the alarm', async () => (await client.status()).problems.length > 0);
  },
);
