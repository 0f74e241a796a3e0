import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { silentLogger } from '../../../base/log.ts';
import type { EtcdEvent } from '../../../master/metadata/etcd/api.ts';
import { EtcdClient } from '../../../master/metadata/etcd/etcd-client.ts';
import { EtcdServer, hasEtcd } from '../../support/process/etcd-server.ts';
import { until } from '../../support/process/stele-process.ts';
import { WatchRecord } from '../../support/peers/watch-record.ts';

const isHere = hasEtcd();

const keysOf = (events: readonly EtcdEvent[]): string[] =>
  events.map((event) => (event.kind === 'put' ? event.entry.key : `-${event.key}`));

describe.skipIf(!isHere)('a watch of one member', () => {
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

  const put = (...keys: string[]) =>
    client.transaction({
      compares: [],
      success: keys.map((key) => ({ kind: 'put', key, value: `of ${key}` })),
    });

  test('events come by revision, from the first one asked for, and end with close', async () => {
    const { revision } = await put('w/1');
    const seen = new WatchRecord();
    const watch = client.watch('w/', 'w0', revision, seen.handlers);
    await put('w/2', 'w/3');
    await put('elsewhere');
    await client.transaction({
      compares: [],
      success: [
        { kind: 'delete', key: 'w/', end: 'w/2' },
        { kind: 'put', key: 'w/4', value: '4' },
      ],
    });
    await seen.reaches(revision + 3);
    expect(seen.revisions.map((one) => [one.revision - revision, keysOf(one.events)])).toEqual([
      [0, ['w/1']],
      [1, ['w/2', 'w/3']],
      [3, ['-w/1', 'w/4']],
    ]);
    watch.close();
    const other = new WatchRecord();
    const last = await put('w/5');
    client.watch('w/', 'w0', last.revision, other.handlers);
    await other.reaches(last.revision);
    expect(seen.lastRevision).toBe(revision + 3);
    expect(seen.error).toBeUndefined();
  });

  test('large revisions that come in fragments are put together', async () => {
    const value = Buffer.alloc(11_000, 'x');
    let first = 0;
    for (let at = 0; at < 5; at++) {
      const { revision } = await client.transaction({
        compares: [],
        success: Array.from({ length: 128 }, (_, key) => ({
          kind: 'put' as const,
          key: `large/${key}`,
          value,
        })),
      });
      first ||= revision;
    }
    const seen = new WatchRecord();
    client.watch('large/', 'large0', first, seen.handlers);
    await seen.reaches(first + 4);
    expect(seen.revisions.map(({ revision }) => revision - first)).toEqual([0, 1, 2, 3, 4]);
    expect(seen.revisions.map(({ events }) => new Set(keysOf(events)).size)).toEqual([
      128, 128, 128, 128, 128,
    ]);
  });

  test('a watch of a compacted revision ends, and its owner can begin anew', async () => {
    const { revision } = await put('compacted');
    const later = await put('compacted');
    await client.compact(later.revision);
    const seen = new WatchRecord();
    client.watch('compacted', 'compacted0', revision, seen.handlers);
    await until('the watch to end', () => seen.error !== undefined);
    expect(seen.error).toMatchObject({
      code: 'CORRUPT',
      message: expect.stringContaining(`up to revision ${later.revision}`) as string,
    });
    expect(seen.revisions).toEqual([]);
    const anew = new WatchRecord();
    client.watch('compacted', 'compacted0', later.revision, anew.handlers);
    await anew.reaches(later.revision);
  });

  test('an error of its owner ends a watch', async () => {
    const { revision } = await put('throws');
    const ended = new Promise<Error>((resolve) => {
      client.watch('throws', 'throws0', revision, {
        onEvents: () => {
          throw new Error('cannot take this');
        },
        onEnd: resolve,
      });
    });
    expect((await ended).message).toBe('cannot take this');
  });

  test('a watch goes on when its member is restarted', async () => {
    const { revision } = await put('restart');
    const seen = new WatchRecord();
    client.watch('restart', 'restart0', revision, seen.handlers);
    await seen.reaches(revision);
    await server.members[0]!.kill();
    server.members[0]!.start();
    const patient = new EtcdClient({
      endpoints: server.endpoints,
      log: silentLogger,
      deadlineMs: 20_000,
    });
    const next = await patient.transaction({
      compares: [],
      success: [{ kind: 'put', key: 'restart', value: '' }],
    });
    await seen.reaches(next.revision);
    patient.close();
    expect(seen.revisions.length).toBe(2);
  });
});

describe.skipIf(!isHere)('a watch of three members', () => {
  let server: EtcdServer;
  const clients: EtcdClient[] = [];

  beforeAll(async () => {
    server = await EtcdServer.start({ members: 3 });
  });

  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    await server.mend();
  });

  afterAll(async () => {
    await server.close();
  });

  function open(endpoints: readonly string[]): EtcdClient {
    const client = new EtcdClient({
      endpoints,
      log: silentLogger,
      deadlineMs: 2000,
      watchTickMs: 200,
    });
    clients.push(client);
    return client;
  }

  /** Writes until all are made, some maybe twice; resolves to the last revision. */
  async function write(writer: EtcdClient, count: number): Promise<number> {
    let revision = 0;
    for (let made = 0; made < count;) {
      const success = [{ kind: 'put' as const, key: `m/${made}`, value: '' }];
      try {
        ({ revision } = await writer.transaction({ compares: [], success }));
        made++;
      } catch (thrown) {
        expect(thrown).toMatchObject({
          code: expect.stringMatching(/^(OUTCOME_UNKNOWN|UNAVAILABLE)$/) as string,
        });
      }
    }
    return revision;
  }

  test.each(['SIGKILL', 'SIGSTOP'] as const)(
    'no event is lost or repeated when its member gets %s',
    async (signal) => {
      const [first = '', ...others] = server.endpoints;
      const writer = open(others);
      const from = (await write(writer, 1)) + 1;
      const seen = new WatchRecord();
      open([first, ...others]).watch('m/', 'm0', from, seen.handlers);
      await seen.reaches(await write(writer, 20));
      if (signal === 'SIGKILL') await server.member(first).kill();
      else server.member(first).signal(signal);
      const last = await write(writer, 20);
      await seen.reaches(last);
      expect(seen.revisions.map(({ revision }) => revision)).toEqual(
        Array.from({ length: last - from + 1 }, (_, at) => from + at),
      );
      expect(seen.error).toBeUndefined();
    },
  );
});
