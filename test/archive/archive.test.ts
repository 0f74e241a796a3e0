// An archive as a whole: whose it is, and its snapshots.

import { expect, test } from 'vitest';
import { Archive } from '../../archive/archive.ts';
import { encodeMark } from '../../archive/layout.ts';
import { bodyOfBytes } from '../../archive/open-store.ts';
import { ownS3 } from '../support/s3/stores.ts';
import { someManifest, someSnapshot } from '../support/archives.ts';

const mark = { clusterId: '0'.repeat(16), shardCount: 8, createdAt: '2026-12-01T00:00:00.000Z' };
const other = { ...mark, clusterId: '1'.repeat(16) };

test('belongs to the cluster that claims it first', async () => {
  const { store } = await ownS3();
  const archive = new Archive(store);
  expect(await archive.mark()).toBeUndefined();
  const claims = await Promise.allSettled([archive.claim(mark), archive.claim(other)]);
  expect(claims.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  const winner = claims[0].status === 'fulfilled' ? mark : other;
  const loser = winner === mark ? other : mark;
  await archive.claim(winner);
  await expect(archive.claim(loser)).rejects.toMatchObject({
    code: 'CONFLICT',
    message: expect.stringContaining('the archive of another cluster'),
  });
});

test('is not made where writers could overwrite each other', async () => {
  const { s3, store } = await ownS3();
  s3.ignoresConditions = true;
  await expect(new Archive(store).claim(mark)).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  expect(s3.objects.size).toBe(0);
});

test('of a later release is left alone', async () => {
  const { s3, store } = await ownS3();
  const later = encodeMark(mark).toString().replace('"format":1', '"format":2');
  await store.put('stele-archive.json', bodyOfBytes(Buffer.from(later)));
  await expect(new Archive(store).claim(mark)).rejects.toMatchObject({ code: 'UNKNOWN_FORMAT' });
  expect(s3.objects.size).toBe(1);
});

test('lists its snapshots, newest first, and reads them with their manifests', async () => {
  const { s3, store } = await ownS3();
  const archive = new Archive(store);
  const manifest = await archive.putManifest(someManifest());
  const names = [];
  for (const createdAt of ['2026-12-01T07:00:00.000Z', '2026-11-30T23:00:00.000Z']) {
    names.push(await archive.putSnapshot({ ...someSnapshot(manifest), createdAt }));
  }
  expect((await archive.snapshots()).map(({ name }) => name)).toEqual(names);
  const [name = ''] = names;
  const snapshot = await archive.snapshot(name);
  const [version] = snapshot.keyspaces[0]?.versions ?? [];
  expect(await archive.manifest(version?.manifest ?? '')).toMatchObject(someManifest());
  const key = `some/prefix/${name}`;
  const found = s3.objects.get(key);
  if (found !== undefined) s3.objects.set(key, { ...found, bytes: found.bytes.subarray(1) });
  await expect(archive.snapshot(name)).rejects.toMatchObject({ code: 'CORRUPT' });
  await expect(archive.snapshot('snapshots/x.json')).rejects.toMatchObject({ code: 'NOT_FOUND' });
});
