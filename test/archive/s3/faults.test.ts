// What the client of S3 does when the store fails, refuses, or does not answer.

import { randomBytes } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import { bodyOfBytes, openStore, readObject } from '../../../archive/open-store.ts';
import type { ObjectStore } from '../../../archive/object-store.ts';
import type { S3Fault } from '../../support/s3/s3-server.ts';
import { ownS3, QUICK } from '../../support/s3/stores.ts';

const bytes = randomBytes(150_000);

/** The fault `kind` for the first `times` operations `what`. */
function first(what: string, times: number, kind: S3Fault) {
  let left = times;
  return (operation: { readonly what: string }): S3Fault =>
    operation.what === what && left-- > 0 ? kind : undefined;
}

test.each(['error', 'slow-down', 'reset', 'torn', 'lost', 'stall'] as const)(
  'puts and reads an object although each request first ends with %s',
  async (kind) => {
    const { s3, store } = await ownS3();
    for (const what of [
      'PutObject',
      'CreateMultipartUpload',
      'UploadPart',
      'CompleteMultipartUpload',
    ]) {
      s3.fault = first(what, 2, kind);
      const size = what === 'PutObject' ? 1000 : bytes.length;
      await store.put(what, bodyOfBytes(bytes.subarray(0, size)));
      s3.fault = first('GetObject', 2, kind);
      expect((await readObject(store, what, size)).equals(bytes.subarray(0, size))).toBe(true);
    }
    s3.fault = first('ListObjectsV2', 2, kind);
    const names = [];
    for await (const { name } of store.list('')) names.push(name);
    expect(names).toHaveLength(4);
    s3.fault = first('DeleteObjects', 2, kind);
    await store.delete(names);
    expect(s3.objects.size).toBe(0);
  },
);

test('repeats a part, not the object', async () => {
  const { s3, store } = await ownS3();
  s3.fault = first('UploadPart', 2, 'error');
  await store.put('x', bodyOfBytes(bytes));
  expect(s3.count('CreateMultipartUpload')).toBe(1);
  expect(s3.count('UploadPart')).toBe(3 + 2);
});

test('goes on where a read broke off', async () => {
  const { s3, store } = await ownS3();
  await store.put('x', bodyOfBytes(bytes));
  s3.fault = first('GetObject', 5, 'torn');
  const into = Buffer.alloc(bytes.length);
  await store.read('x', into, 0);
  expect(into.equals(bytes)).toBe(true);
});

test('refuses the rest of another object', async () => {
  const { s3, store } = await ownS3();
  await store.put('x', bodyOfBytes(bytes));
  const [key] = s3.objects.keys();
  s3.fault = ({ what }) => {
    if (what !== 'GetObject' || s3.count('GetObject') > 1) return undefined;
    setTimeout(() => {
      const found = s3.objects.get(key ?? '');
      if (found !== undefined) s3.objects.set(key ?? '', { ...found, tag: '"other"' });
    }, 0);
    return 'torn';
  };
  const read = store.read('x', Buffer.alloc(bytes.length), 0);
  await expect(read).rejects.toMatchObject({ code: 'CORRUPT' });
});

test('aborts the upload of an object that fails', async () => {
  const { s3, store } = await ownS3();
  s3.denied.add('UploadPart');
  const put = store.put('x', bodyOfBytes(bytes));
  await expect(put).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
  expect(s3.uploads.size).toBe(0);
  s3.denied.clear();
  const stop = new AbortController();
  s3.fault = ({ what }) => {
    if (what === 'UploadPart') stop.abort();
    return undefined;
  };
  const cancelled = store.put('x', bodyOfBytes(bytes), { signal: stop.signal });
  await expect(cancelled).rejects.toMatchObject({ code: 'CANCELLED' });
  expect(s3.uploads.size).toBe(0);
});

test('aborts what a killed process left a day ago', async () => {
  const { s3, store } = await ownS3();
  const dayMs = 86_400_000;
  const old = { begunMs: Date.now() - dayMs - 1000, parts: new Map() };
  s3.uploads.set('old', { ...old, key: 'some/prefix/segments/a' });
  s3.uploads.set('young', { ...old, key: 'some/prefix/segments/b', begunMs: Date.now() });
  s3.uploads.set('foreign', { ...old, key: 'other/prefix/x' });
  await store.put('x', bodyOfBytes(bytes));
  expect([...s3.uploads.keys()]).toEqual(['young', 'foreign']);
});

test.each([1000, bytes.length])(
  'takes its own %i bytes for its own when the answer to a conditional write was lost',
  async (size) => {
    const { s3, store } = await ownS3();
    const what = size === 1000 ? 'PutObject' : 'CompleteMultipartUpload';
    const body = bodyOfBytes(bytes.subarray(0, size));
    s3.fault = first(what, 1, 'lost');
    await store.put('x', body, { ifAbsent: true });
    expect(s3.count(what)).toBe(2);
    s3.fault = first(what, 1, 'lost');
    const other = bodyOfBytes(randomBytes(size));
    const put = store.put('x', other, { ifAbsent: true });
    await expect(put).rejects.toMatchObject({ code: 'CONFLICT' });
    expect((await readObject(store, 'x', size)).equals(bytes.subarray(0, size))).toBe(true);
  },
);

test.each([1000, bytes.length])('writes %i bytes again after a conflict (409)', async (size) => {
  const { s3, store } = await ownS3();
  const what = size === 1000 ? 'PutObject' : 'CompleteMultipartUpload';
  s3.fault = first(what, 2, 'conflict');
  await store.put('x', bodyOfBytes(bytes.subarray(0, size)), { ifAbsent: true });
  expect(s3.count(what)).toBe(3);
  expect(s3.uploads.size).toBe(0);
});

test.each([1000, bytes.length])(
  'takes its own %i bytes for its own when a conflict (409) comes after the lost answer',
  async (size) => {
    const { s3, store } = await ownS3();
    const what = size === 1000 ? 'PutObject' : 'CompleteMultipartUpload';
    let asked = 0;
    s3.fault = (operation) =>
      operation.what === what ? (['lost', 'conflict'] as const)[asked++] : undefined;
    await store.put('x', bodyOfBytes(bytes.subarray(0, size)), { ifAbsent: true });
    expect((await readObject(store, 'x', size)).equals(bytes.subarray(0, size))).toBe(true);
  },
);

test('follows the clock of the store', async () => {
  const { s3, store } = await ownS3();
  s3.clockSkewMs = 3_600_000;
  await store.put('x', bodyOfBytes(bytes.subarray(0, 10)));
  await store.put('y', bodyOfBytes(bytes.subarray(0, 10)));
  expect(s3.count('PutObject')).toBe(3);
});

test('follows the region that the store names', async () => {
  const { s3 } = await ownS3();
  const store = await openStore(
    s3.url,
    { s3Region: 'us-west-9' },
    { ...QUICK, environment: s3.environment },
  );
  onTestFinished(() => store.close());
  await store.put('x', bodyOfBytes(bytes.subarray(0, 10)));
  expect(await store.stat('x')).toMatchObject({ byteCount: 10 });
});

test('uses an endpoint of the bucket as it is', async () => {
  const { s3 } = await ownS3();
  // The host 127.0.0.1 begins with this bucket.
  s3.bucket = '127';
  const store = await openStore(s3.url, {}, { ...QUICK, environment: s3.environment });
  onTestFinished(() => store.close());
  await store.put('x', bodyOfBytes(bytes.subarray(0, 10)));
  expect([...s3.objects.keys()]).toEqual(['some/prefix/x']);
});

test('signs every character of a prefix', async () => {
  const { s3 } = await ownS3();
  const url = `s3://${s3.bucket}/a b/ü+&=(1)!*'~,%20`;
  const store = await openStore(url, {}, { ...QUICK, environment: s3.environment });
  onTestFinished(() => store.close());
  await store.put('d/x', bodyOfBytes(bytes.subarray(0, 10)));
  const names = [];
  for await (const { name } of store.list('d/')) names.push(name);
  expect(names).toEqual(['d/x']);
  expect([...s3.objects.keys()]).toEqual(["a b/ü+&=(1)!*'~,%20/d/x"]);
  await store.delete(names);
  expect(s3.objects.size).toBe(0);
});

test('gives up after some attempts, and says so', async () => {
  const { s3, store } = await ownS3();
  s3.fault = () => 'error';
  const put = store.put('x', bodyOfBytes(bytes.subarray(0, 10)));
  await expect(put).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringContaining('500 InternalError'),
  });
  s3.fault = () => 'reset';
  await expect(store.stat('x')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  s3.fault = () => 'stall';
  const stop = new AbortController();
  setTimeout(() => stop.abort(), 50);
  const stat = store.stat('x', { signal: stop.signal });
  await expect(stat).rejects.toMatchObject({ code: 'CANCELLED' });
});

interface Refusal {
  readonly title: string;
  readonly code: string;
  readonly says: string;
  readonly change: (s3: Awaited<ReturnType<typeof ownS3>>['s3']) => void;
  readonly environment?: Record<string, string>;
  readonly bucket?: string;
}

const refusals: readonly Refusal[] = [
  {
    title: 'no bucket',
    code: 'NOT_FOUND',
    says: "there is no bucket 'nowhere'",
    change: () => undefined,
    bucket: 'nowhere',
  },
  {
    title: 'no right',
    code: 'PERMISSION_DENIED',
    says: 'grant them s3:PutObject',
    change: (s3) => s3.denied.add('PutObject'),
  },
  {
    title: 'expired credentials',
    code: 'PERMISSION_DENIED',
    says: 'the credentials from the environment (AWS_ACCESS_KEY_ID) have expired; renew them',
    change: (s3) => (s3.isExpired = true),
  },
  {
    title: 'a wrong secret',
    code: 'PERMISSION_DENIED',
    says: 'does not fit its access key',
    change: () => undefined,
    environment: { AWS_SECRET_ACCESS_KEY: 'wrong' },
  },
  {
    title: 'an unknown key',
    code: 'PERMISSION_DENIED',
    says: 'does not know the access key',
    change: () => undefined,
    environment: { AWS_ACCESS_KEY_ID: 'AKIAOTHER' },
  },
  {
    title: 'no server',
    code: 'UNAVAILABLE',
    says: 'ECONNREFUSED; check that it runs, and --s3-endpoint',
    change: () => undefined,
    environment: { AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:2' },
  },
  {
    title: 'no host',
    code: 'UNAVAILABLE',
    says: 'check --s3-endpoint',
    change: () => undefined,
    environment: { AWS_ENDPOINT_URL_S3: 'http://nowhere.invalid' },
  },
];

test.each(refusals)('explains $title', async ({ bucket, change, code, environment, says }) => {
  const { s3 } = await ownS3();
  change(s3);
  const url = `s3://${bucket ?? s3.bucket}/x`;
  const tuning = { ...QUICK, environment: { ...s3.environment, ...environment } };
  const store: ObjectStore = await openStore(url, {}, tuning);
  onTestFinished(() => store.close());
  const put = store.put('x', bodyOfBytes(Buffer.from('x')));
  await expect(put).rejects.toMatchObject({ code, message: expect.stringContaining(says) });
  await expect(put).rejects.toMatchObject({ message: expect.stringContaining(url) });
});

test('finds out by a listing why an object cannot be looked at', async () => {
  const { s3, store } = await ownS3();
  s3.isExpired = true;
  await expect(store.stat('x')).rejects.toMatchObject({
    code: 'PERMISSION_DENIED',
    message: expect.stringContaining('have expired'),
  });
});
