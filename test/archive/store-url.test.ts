import { expect, test } from 'vitest';
import { openStore } from '../../archive/open-store.ts';
import { parseStoreUrl } from '../../archive/store-url.ts';

test('takes folders and buckets', () => {
  expect(parseStoreUrl('file:///mnt/a%20b/c')).toMatchObject({
    kind: 'folder',
    path: '/mnt/a b/c',
  });
  expect(parseStoreUrl('s3://my-bucket')).toMatchObject({ bucket: 'my-bucket', prefix: '' });
  const deep = { bucket: 'b.1', prefix: 'x/y z', url: 's3://b.1/x/y z' };
  expect(parseStoreUrl('s3://b.1/x/y z/')).toMatchObject(deep);
});

test.each([
  '',
  '/mnt/archive',
  'mnt',
  'file:///',
  'file://host/share',
  'file:mnt',
  's3://',
  's3://x',
  's3:/bucket/x',
  's3://buc ket/x',
  's3://bucket/a//b',
  's3://bucket/a/../b',
  's3://bucket/a?region=x',
  's3://key:secret@bucket/x',
  'https://bucket.s3.amazonaws.com/x',
])('refuses %j with a sentence', (text) => {
  expect(() => parseStoreUrl(text)).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('URL') }),
  );
});

test('never repeats credentials in a URL', () => {
  expect(() => parseStoreUrl('s3://key:secret@bucket/x')).toThrow(/^(?!.*secret)/);
});

test.each(['s3.example.com', 'ftp://x', 'http://u:p@h', 'http://h/?x=1'])(
  'refuses the endpoint %s',
  async (s3Endpoint) => {
    const opening = openStore('s3://bucket/x', { s3Endpoint }, { environment: {} });
    await expect(opening).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  },
);
