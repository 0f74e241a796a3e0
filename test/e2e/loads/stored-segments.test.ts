// Versions whose segments are finished and lie in a store: `keyspace create`, `load --segments`,
// `commit`.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { BuildStore } from '../../../archive/builds/build-store.ts';
import type { ObjectStore } from '../../../archive/object-store.ts';
import { bodyOfBytes, openStore } from '../../../archive/open-store.ts';
import { TestCluster } from '../../support/process/cluster.ts';
import { steleShared } from '../../support/process/shared-process.ts';
import type { Done } from '../../support/process/shared-process.ts';
import { flags, SteleProcess, until } from '../../support/process/stele-process.ts';
import { TestS3 } from '../../support/s3/s3-server.ts';
import { numberedPairs } from '../../support/segments/segments.ts';
import { putBuild, putSegments } from '../../support/segments/stored.ts';
import type { CreatedKeyspace } from '../../support/segments/stored.ts';

const PAIRS = numberedPairs(3000);

interface Summary {
  readonly version: number;
  readonly rows: number;
  readonly loaded: number;
  readonly records: number;
  readonly digest: string;
  readonly shards_resumed: number;
  readonly already_current: boolean;
}

let s3: TestS3;
let cluster: TestCluster;
let created: CreatedKeyspace;
/** Of PAIRS, by an ordinary load. */
let digest: string;

beforeAll(async () => {
  s3 = await TestS3.start();
  for (const [name, value] of Object.entries(s3.environment)) vi.stubEnv(name, value);
  cluster = await TestCluster.start({ shards: 16 });
  const file = join(cluster.folder, 'pairs.tsv');
  writeFileSync(file, PAIRS.map(([key, value]) => `${key}\t${value}\n`).join(''));
  ({ digest } = await cluster.load('plain', [file], flags({ header: 'no' })));
  created = await create('built');
}, 60_000);

afterAll(async () => {
  await cluster?.close();
  vi.unstubAllEnvs();
  await s3?.stop();
}, 30_000);

afterEach(() => {
  s3.fault = () => undefined;
});

const run = (...words: string[]): Promise<Done> =>
  steleShared([...words, ...flags({ master: cluster.masterGrpc, output: 'json' })], s3.environment);

async function json<Answer>(...words: string[]): Promise<Answer> {
  const done = await run(...words);
  expect(done).toMatchObject({ code: 0, stderr: '' });
  return JSON.parse(done.stdout) as Answer;
}

const create = (keyspace: string): Promise<CreatedKeyspace> =>
  json<CreatedKeyspace>('keyspace', 'create', keyspace);

const load = (keyspace: string, url: string, ...more: string[]): Promise<Summary> =>
  json<Summary>('load', keyspace, '--segments', url, ...more);

/** The exit code, Stele's code and the sentence of a run that fails. */
async function failure(...words: string[]): Promise<[number | null, string, string]> {
  const { code, stderr } = await run(...words);
  const line = stderr.trim().split('\n').at(-1) ?? '';
  const { error } = JSON.parse(line) as { error: { code: string; message: string } };
  return [code, error.code, error.message];
}

let places = 0;

/** A new place in S3, or in a folder. */
async function place(inFolder = false): Promise<ObjectStore> {
  const name = `place-${places++}`;
  const url = inFolder ? pathToFileURL(join(cluster.folder, name)).href : `${s3.url}/${name}`;
  return openStore(url, {}, { environment: s3.environment });
}

async function read(keyspace: string, key: string): Promise<[number, string]> {
  const answer = await fetch(cluster.url(`/v1/keyspaces/${keyspace}/keys/${key}`));
  const text = await answer.text();
  return [answer.status, answer.ok ? text : (JSON.parse(text) as { code: string }).code];
}

async function readsAll(keyspace: string): Promise<void> {
  const keys = PAIRS.map(([key]) => key);
  const answer = await fetch(cluster.url(`/v1/keyspaces/${keyspace}/lookup`), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ keys }),
  });
  const { results } = (await answer.json()) as { results: { value: string }[] };
  expect(results.map((one) => one.value)).toEqual(PAIRS.map(([, wanted]) => wanted));
}

describe('a keyspace that is created', () => {
  it('keeps its uid, is listed, and has nothing to read', async () => {
    expect(created).toMatchObject({ keyspace: 'built', created: true, shard_count: 16 });
    expect(created.uid).toMatch(/^[0-9a-f]{16}$/);
    expect(await create('built')).toEqual({ ...created, created: false });
    const listed = await cluster.json('/v1/keyspaces/built');
    expect(listed).toMatchObject({ name: 'built', uid: created.uid, current_version: 0 });
    expect(await read('built', 'key-1')).toEqual([503, 'UNAVAILABLE']);
    const put = await fetch(cluster.url('/v1/keyspaces/built'), { method: 'PUT' });
    expect(await put.json()).toEqual({ ...created, created: false });
    const { status } = await cluster.health();
    expect(status).toBe('green');
  });

  it('can be dropped, and is another one when it is created again', async () => {
    const first = await create('short-lived');
    expect((await run('drop', 'short-lived', '--yes')).code).toBe(0);
    expect((await create('short-lived')).uid).not.toBe(first.uid);
  });

  it('has settings from the start', async () => {
    await json('keyspace', 'create', 'set', ...flags({ replication: 3, keep: 5 }));
    expect(await cluster.json('/v1/keyspaces/set')).toMatchObject({ replication: 3, keep: 5 });
    const [exit, code] = await failure('keyspace', 'create', '17');
    expect([exit, code]).toEqual([2, 'INVALID_ARGUMENT']);
  });
});

describe('finished segments', () => {
  it.each([
    ['a folder', true],
    ['S3', false],
  ])('of %s become a version with the digest of a load', async (_, inFolder) => {
    const store = await place(inFolder);
    await putSegments(store, created, PAIRS, ({ info }) => `some/where/${info.shard}/x.seg`);
    await store.put('some/README.txt', bodyOfBytes(Buffer.from('not a segment')));
    const summary = await load('built', store.url);
    expect(summary).toMatchObject({ rows: 3000, loaded: 3000, records: 3000, digest });
    await readsAll('built');
    const again = await load('built', store.url, '--skip-if-current');
    expect(again).toMatchObject({ version: summary.version, already_current: true });
  });

  it('may be missing for shards without records, and may be appended', async () => {
    const store = await place();
    await putSegments(store, await create('two'), PAIRS.slice(0, 3));
    expect(await load('two', store.url)).toMatchObject({ version: 1, records: 3 });
    const delta = await place();
    await putSegments(delta, await create('two'), PAIRS.slice(1));
    const appended = await load('two', delta.url, '--mode', 'append');
    expect(appended).toMatchObject({ version: 2, loaded: 2999, records: 3000, digest });
    await readsAll('two');
  });

  it('are pulled although every third request fails, each of them once by each owner', async () => {
    const store = await place();
    const segments = await putSegments(store, await create('flaky'), PAIRS);
    let asked = 0;
    const before = s3.count('GetObject');
    s3.fault = ({ what }) => {
      if (what !== 'GetObject' || asked++ % 3 !== 0) return undefined;
      return (['error', 'torn', 'reset'] as const)[(asked % 9) % 3];
    };
    expect(await load('flaky', store.url)).toMatchObject({ digest });
    // The header, and the whole by both owners.
    const needed = segments.length * 3;
    const gets = s3.count('GetObject') - before;
    expect(gets).toBeGreaterThan(needed);
    expect(gets).toBeLessThan(2 * needed);
  });

  it('that the datanodes have are not pulled again after the load was killed', async () => {
    const keyspace = await create('killed');
    const store = await place();
    const pairs = PAIRS.map(([key, text]) => [key, text.padEnd(1000)] as const);
    const segments = await putSegments(store, keyspace, pairs);
    let whole = 0;
    s3.fault = ({ what }) => {
      // After the headers and half of the segments nothing comes any more.
      if (what !== 'GetObject') return undefined;
      whole++;
      return whole > segments.length * 2 ? 'stall' : undefined;
    };
    const words = ['load', 'killed', '--segments', store.url];
    const first = new SteleProcess([...words, ...flags({ master: cluster.masterGrpc })]);
    await until('half of the segments', () => whole > segments.length * 2 + 2);
    await first.kill();
    s3.fault = () => undefined;
    const summary = await load('killed', store.url);
    expect(summary.records).toBe(3000);
    expect(summary.shards_resumed).toBeGreaterThan(0);
    expect(summary.shards_resumed).toBeLessThan(segments.length);
  });

  it('must meet the gate', async () => {
    const store = await place();
    await putSegments(store, await create('gated'), PAIRS);
    const [exit, code, text] = await failure(
      ...['load', 'gated', '--segments', store.url, '--min-rows', '3001'],
    );
    expect([exit, code]).toEqual([3, 'GATE_FAILED']);
    expect(text).toContain('3000');
    expect(await read('gated', 'key-1')).toEqual([503, 'UNAVAILABLE']);
    expect(await load('gated', store.url)).toMatchObject({ records: 3000 });
  });
});

describe('segments that cannot be loaded', () => {
  const cases: readonly (readonly [
    string,
    (store: ObjectStore) => Promise<unknown>,
    number,
    string,
    string,
  ])[] = [
    ['none', async () => undefined, 1, 'INPUT_NOT_FOUND', "no object's name ends in '.seg'"],
    [
      'of another uid',
      (store) => putSegments(store, { ...created, uid: '00'.repeat(8) }, PAIRS),
      ...([1, 'CONFLICT', 'are of a keyspace with uid 0000000000000000'] as const),
    ],
    [
      'of other shards',
      (store) => putSegments(store, { ...created, shard_count: 8 }, PAIRS),
      ...([1, 'CONFLICT', 'are of 8 shards, and the cluster has 16'] as const),
    ],
    [
      'two of a shard',
      async (store) => {
        await putSegments(store, created, PAIRS);
        await putSegments(store, created, PAIRS.slice(5), ({ info }) => `b/${info.shard}.seg`);
      },
      ...([1, 'INPUT_INVALID', 'are both of shard '] as const),
    ],
    [
      'text',
      (store) => store.put('a.seg', bodyOfBytes(Buffer.from('key value\n'.repeat(50)))),
      ...([1, 'INPUT_INVALID', "'a.seg' of "] as const),
    ],
    [
      'cut off',
      async (store) => {
        const segments = await putSegments(store, created, PAIRS);
        const cut = segments[3]?.bytes.subarray(0, 500) ?? Buffer.alloc(0);
        await store.put(`part-${segments[3]?.info.shard}.seg`, bodyOfBytes(cut));
      },
      ...([1, 'INPUT_INVALID', 'it has 500 bytes where its header says'] as const),
    ],
    [
      'a damaged one, which only a datanode notices',
      async (store) => {
        // Which no datanode has yet.
        const segments = await putSegments(store, created, numberedPairs(3000, ' of today'));
        const [one] = segments.slice(3);
        const bytes = Buffer.from(one?.bytes ?? []);
        bytes.writeUInt8(bytes.readUInt8(4000) ^ 1, 4000);
        await store.put(`part-${one?.info.shard}.seg`, bodyOfBytes(bytes));
      },
      ...([1, 'CORRUPT', ".seg' of s3://"] as const),
    ],
  ];

  it('are refused where a build is, which may lack some', async () => {
    const store = await place();
    await json('keyspace', 'create', 'built', '--out', store.url);
    await putSegments(store, created, PAIRS);
    const failed = await failure('load', 'built', '--segments', store.url);
    expect(failed).toEqual([1, 'INPUT_INVALID', expect.stringContaining('use `stele commit')]);
  });

  it.each(cases)('%s', async (_, fill, exit, code, text) => {
    const before = await cluster.json('/v1/keyspaces/built/versions');
    const store = await place();
    await fill(store);
    const failed = await failure('load', 'built', '--segments', store.url);
    expect(failed).toEqual([exit, code, expect.stringContaining(text)]);
    expect(await cluster.json('/v1/keyspaces/built/versions')).toEqual(before);
  });

  it('go with one keyspace, no files, and no flags of rows', async () => {
    const [exit, code] = await failure('load', 'built', 'a.csv', '--segments', s3.url);
    expect([exit, code]).toEqual([2, 'INVALID_ARGUMENT']);
    const flagged = await failure('load', 'built', '--segments', s3.url, '--key', 'id');
    expect(flagged).toEqual([2, 'INVALID_ARGUMENT', expect.stringContaining('--key says how')]);
    const elsewhere = await failure('load', 'built', '--segments', 's3://no-such-bucket/x');
    expect(elsewhere.slice(0, 2)).toEqual([1, 'NOT_FOUND']);
  });
});

describe('a build', () => {
  it('has its mark from the keyspace, whose uid and shards it fixes', async () => {
    const store = await place();
    const words = ['keyspace', 'create', 'marked', '--out', store.url];
    const marked = await json<CreatedKeyspace>(...words);
    const { cluster_id: clusterId, shard_count: shardCount, uid: keyspaceUid } = marked;
    const mark = { keyspace: 'marked', keyspaceUid, shardCount, clusterId };
    expect(await new BuildStore(store).mark()).toMatchObject(mark);
    expect(await json<CreatedKeyspace>(...words)).toEqual({ ...marked, created: false });
    const other = await failure('keyspace', 'create', 'other', '--out', store.url);
    expect(other).toEqual([1, 'CONFLICT', expect.stringContaining("of the keyspace 'marked'")]);
    await failure('keyspace', 'create', 'other', '--out', 's3://no-such-bucket/x');
    const { host, http } = cluster.master;
    expect((await fetch(`http://${host}:${http}/v1/keyspaces/other`)).status).toBe(404);
  });

  it('is committed once, and is current when it is committed again', async () => {
    const store = await place();
    await putBuild(store, await create('whole'), PAIRS);
    const first = await json<Summary>('commit', 'whole', store.url);
    expect(first).toMatchObject({ version: 1, rows: 3000, records: 3000, digest });
    await readsAll('whole');
    const again = await json<Summary>('commit', 'whole', store.url);
    expect(again).toMatchObject({ version: 1, already_current: true });
    const [version] = await json<{ source: string; input: string }[]>('versions', 'whole');
    expect(version?.source).toBe(store.url);
  });

  it('that is not complete, or of another keyspace, is not committed', async () => {
    const store = await place();
    const parts = await create('parts');
    const none = await failure('commit', 'parts', store.url);
    expect(none).toEqual([1, 'NOT_FOUND', expect.stringContaining('There is no build at')]);
    await putBuild(store, parts, PAIRS);
    const other = await failure('commit', 'whole', store.url);
    expect(other).toEqual([1, 'CONFLICT', expect.stringContaining("of the keyspace 'parts'")]);
    const names: string[] = [];
    for await (const { name } of store.list('segments/')) names.push(name);
    await store.delete(names.slice(2, 3));
    const torn = await failure('commit', 'parts', store.url);
    expect(torn).toEqual([1, 'CORRUPT', expect.stringContaining(`${names[2]}' of `)]);
    const merges: string[] = [];
    for await (const { name } of store.list('merges/')) merges.push(name);
    await store.delete(merges);
    const unmerged = await failure('commit', 'parts', store.url);
    expect(unmerged[1]).toBe('BUILD_INCOMPLETE');
    expect(await read('parts', 'key-1')).toEqual([503, 'UNAVAILABLE']);
  });
});
