// What is refused, with a sentence that helps and an exit code: damaged and foreign archives, and
// bad URLs and credentials. Nothing is half done.

import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import type { ArchiveReport } from '../../../loader/backup/verify-archive.ts';
import {
  failureOf,
  folderUrl,
  jsonOf,
  run,
  startFilled,
  succeed,
} from '../../support/process/archived-cluster.ts';
import type { BackupJson } from '../../support/process/archived-cluster.ts';
import { TestCluster } from '../../support/process/cluster.ts';
import { TestS3 } from '../../support/s3/s3-server.ts';

// Clusters are started, filled and read by many processes.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

let filled: TestCluster;
let empty: TestCluster;
let s3: TestS3;
let objects: TestS3['objects'];
let snapshot = '';

beforeAll(async () => {
  s3 = await TestS3.start();
  filled = await startFilled();
  empty = await TestCluster.start({ datanodes: 1, replication: 1, shards: 16 });
  ({ snapshot } = await succeed<BackupJson>(filled, ['backup', s3.url], s3.environment));
  objects = new Map(s3.objects);
});
afterEach(async () => {
  s3.objects.clear();
  for (const [key, value] of objects) s3.objects.set(key, value);
  s3.denied.clear();
  s3.isExpired = false;
  s3.ignoresConditions = false;
  expect(await empty.json('/v1/keyspaces')).toMatchObject({ keyspaces: [] });
});
afterAll(async () => {
  await Promise.all([filled?.close(), empty?.close(), s3.stop()]);
});

/** Changes the bytes of the last object below a folder; undefined: removes it. */
let damagedName = '';
function damage(folder: string, change: (bytes: Buffer) => Buffer | undefined): void {
  const key = [...s3.objects.keys()].sort().findLast((one) => one.includes(`/${folder}/`)) ?? '';
  damagedName = key.slice(key.indexOf(`${folder}/`));
  const found = s3.objects.get(key);
  const bytes = found && change(Buffer.from(found.bytes));
  if (found === undefined || bytes === undefined) s3.objects.delete(key);
  else s3.objects.set(key, { ...found, bytes });
}

const verify = (...words: string[]): ReturnType<typeof run> =>
  run(empty, ['archive', 'verify', '--url', s3.url, ...words], s3.environment);

function flip(bytes: Buffer): Buffer {
  const at = bytes.length >> 1;
  bytes[at] = (bytes[at] ?? 0) ^ 4;
  return bytes;
}

test.each<[string, string, string, () => void]>([
  ['a flipped byte in a segment', 'CORRUPT', '', () => damage('segments', flip)],
  ['a segment that is missing', 'CORRUPT', 'is missing', () => damage('segments', () => undefined)],
  [
    'a truncated segment',
    'CORRUPT',
    'bytes in place of',
    () => damage('segments', (bytes) => bytes.subarray(9)),
  ],
  ['a flipped byte in a manifest', 'CORRUPT', 'manifests/', () => damage('manifests', flip)],
  [
    'a manifest that is missing',
    'NOT_FOUND',
    'manifests/',
    () => damage('manifests', () => undefined),
  ],
  [
    'a truncated snapshot',
    'CORRUPT',
    'snapshots/',
    () => damage('snapshots', (bytes) => bytes.subarray(0, 99)),
  ],
  ['no snapshot', 'NOT_FOUND', 'has no snapshot', () => damage('snapshots', () => undefined)],
  ['no archive', 'NOT_FOUND', 'not an archive of Stele', () => s3.objects.clear()],
])('%s', async (_, code, says, change) => {
  change();
  for (const words of [[], ['--dry-run'].filter(() => says !== '')]) {
    const failure = failureOf(await run(empty, ['restore', s3.url, ...words], s3.environment));
    expect(failure).toMatchObject({ exit: 1, code, message: expect.stringContaining(says) });
  }
  const verified = await verify();
  if (code === 'NOT_FOUND' && says !== 'manifests/') {
    expect(failureOf(verified)).toMatchObject({ exit: 1, code });
  } else {
    const { damaged } = JSON.parse(verified.stdout) as ArchiveReport;
    expect(damaged.map(({ name }) => name)).toEqual([damagedName]);
    expect(verified.code).toBe(1);
  }
});

test('an archive that is whole is verified, and one keyspace of it', async () => {
  expect(jsonOf(await verify())).toMatchObject({ keyspaces: 2, versions: 4, damaged: [] });
  expect(jsonOf(await verify('--keyspace', 'geo'))).toMatchObject({ keyspaces: 1, versions: 2 });
  expect(failureOf(await verify('--keyspace', 'x'))).toMatchObject({ code: 'KEYSPACE_NOT_FOUND' });
});

test('a flipped byte in a segment, where rows are restored', async () => {
  damage('segments', flip);
  const other = await TestCluster.start({ datanodes: 1, replication: 1, shards: 8 });
  try {
    const failure = failureOf(await run(other, ['restore', s3.url], s3.environment));
    expect(failure).toMatchObject({ exit: 1, code: 'CORRUPT' });
    expect(await other.json('/v1/keyspaces')).toMatchObject({ keyspaces: [] });
  } finally {
    await other.close();
  }
});

test.each<[string, readonly string[], number, string, string]>([
  ['a keyspace', ['nowhere'], 1, 'KEYSPACE_NOT_FOUND', "no keyspace 'nowhere'"],
  ['a version', ['prices', '--version', '9'], 1, 'VERSION_NOT_FOUND', 'it has 1, 2'],
  ['a snapshot', ['--snapshot', 'x'], 1, 'NOT_FOUND', '--list'],
  ['one name for two keyspaces', ['--as', 'x'], 2, 'INVALID_ARGUMENT', 'name it'],
  ['a name that cannot be', ['prices', '--as', '../x'], 2, 'INVALID_ARGUMENT', 'keyspace name'],
])('a restore that asks for what is not there: %s', async (_, words, exit, code, says) => {
  const failure = failureOf(await run(empty, ['restore', s3.url, ...words], s3.environment));
  expect(failure).toMatchObject({ exit, code, message: expect.stringContaining(says) });
});

test('a keyspace of that name with other content', async () => {
  const words = ['restore', s3.url, 'geo', '--as', 'prices', '--snapshot', snapshot];
  const failure = failureOf(await run(filled, words, s3.environment));
  expect(failure).toMatchObject({
    exit: 1,
    code: 'CONFLICT',
    message: expect.stringContaining('--as'),
  });
});

test('the archive of another cluster', async () => {
  const failure = failureOf(await run(empty, ['backup', s3.url], s3.environment));
  const says = expect.stringContaining('the archive of another cluster') as string;
  expect(failure).toMatchObject({ exit: 1, code: 'CONFLICT', message: says });
});

const backups: readonly [
  string,
  number,
  string,
  string,
  () => readonly [string, Record<string, string>],
][] = [
  ['no URL of a store', 2, 'INVALID_ARGUMENT', 'file:///path', () => ['/mnt/x', {}]],
  [
    'a folder that is not mounted',
    1,
    'NOT_FOUND',
    'mounted',
    () => [folderUrl('/nowhere/at/all'), {}],
  ],
  ['no bucket', 1, 'NOT_FOUND', "no bucket 'other-bucket'", () => ['s3://other-bucket/x', {}]],
  [
    'no right',
    5,
    'PERMISSION_DENIED',
    's3:PutObject',
    () => (s3.denied.add('PutObject'), ['s3://test-bucket/y', {}]),
  ],
  [
    'expired credentials',
    5,
    'PERMISSION_DENIED',
    'have expired',
    () => ((s3.isExpired = true), [s3.url, {}]),
  ],
  [
    'no credentials',
    5,
    'PERMISSION_DENIED',
    'AWS_ACCESS_KEY_ID',
    () => [s3.url, { AWS_ACCESS_KEY_ID: '' }],
  ],
  [
    'a store that ignores conditions',
    1,
    'UNSUPPORTED',
    'If-None-Match',
    () => ((s3.ignoresConditions = true), ['s3://test-bucket/z', {}]),
  ],
  [
    'no store',
    4,
    'UNAVAILABLE',
    '--s3-endpoint',
    () => [s3.url, { AWS_ENDPOINT_URL_S3: 'http://nowhere.invalid' }],
  ],
];

test.each(backups)('a backup to %s', async (_, exit, code, says, prepare) => {
  const [url, more] = prepare();
  const failure = failureOf(await run(filled, ['backup', url], { ...s3.environment, ...more }));
  expect(failure).toMatchObject({ exit, code, message: expect.stringContaining(says) });
  const left = [...s3.objects.keys()].filter((key) => !objects.has(key));
  expect(left).toEqual([]);
});

test('a damaged snapshot is listed as such', async () => {
  damage('snapshots', flip);
  const listed = await succeed<object>(filled, ['backup', s3.url, '--list'], s3.environment);
  expect(listed).toMatchObject({ snapshots: [{ name: snapshot, trouble: 'damaged' }] });
});
