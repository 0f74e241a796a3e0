// The stores that keep the contract of ObjectStore: a folder, the test's own S3, and s3rver.

import { pathToFileURL } from 'node:url';
import { join } from 'node:path';
import S3rver from 's3rver';
import { onTestFinished } from 'vitest';
import { openStore } from '../../../archive/open-store.ts';
import type { ObjectStore } from '../../../archive/object-store.ts';
import type { StoreTuning } from '../../../archive/open-store.ts';
import { tempDir } from '../temp-dir.ts';
import { TestS3 } from './s3-server.ts';

export const QUICK: StoreTuning = { backoffMs: 2, idleMs: 500, partBytes: 64 * 1024, pageSize: 3 };

interface OpenedStore {
  readonly store: ObjectStore;
  readonly s3?: TestS3;
}

/** A store in an own S3 server, which ends with the test. */
export async function ownS3(tuning: StoreTuning = {}): Promise<{ store: ObjectStore; s3: TestS3 }> {
  const s3 = await TestS3.start();
  onTestFinished(() => s3.stop());
  const store = await openStore(s3.url, {}, { ...QUICK, environment: s3.environment, ...tuning });
  onTestFinished(() => store.close());
  return { store, s3 };
}

async function folder(): Promise<OpenedStore> {
  const url = pathToFileURL(join(tempDir(), 'archive')).href;
  return { store: await openStore(url) };
}

async function s3rver(): Promise<OpenedStore> {
  const server = new S3rver({
    port: 0,
    address: '127.0.0.1',
    silent: true,
    directory: tempDir(),
    configureBuckets: [{ name: 'test-bucket', configs: [] }],
  });
  const { port } = await server.run();
  onTestFinished(() => server.close());
  const environment = { AWS_ACCESS_KEY_ID: 'S3RVER', AWS_SECRET_ACCESS_KEY: 'S3RVER', HOME: '/no' };
  const settings = { s3Endpoint: `http://127.0.0.1:${port}`, s3Region: 'us-east-1' };
  // Parts of less than 5 MiB are refused, and its second pages need a cipher that OpenSSL 3 lacks.
  const tuning = { ...QUICK, environment, partBytes: 5 * 1024 * 1024, pageSize: 1000 };
  return { store: await openStore('s3://test-bucket/deep/er', settings, tuning) };
}

export const STORES = [
  { title: 'a folder', open: folder, honoursConditions: true, sorts: true },
  { title: "the tests' own S3", open: ownS3, honoursConditions: true, sorts: true },
  { title: 's3rver', open: s3rver, honoursConditions: false, sorts: false },
] as const;
