// Opens the store at a URL. The client of S3 is loaded only for s3:// URLs.

import { systemTime } from '../base/clock.ts';
import { SteleError } from '../base/errors.ts';
import { randomId } from '../base/ids.ts';
import { FolderStore } from './folder-store.ts';
import type { ObjectBody, ObjectStore, StoreCallOptions } from './object-store.ts';
import { parseStoreUrl } from './store-url.ts';

const MiB = 1024 * 1024;

/** Where an s3:// URL leads; absent: as the environment or the profile says. */
export interface StoreSettings {
  readonly s3Endpoint?: string | undefined;
  readonly s3Region?: string | undefined;
}

/** What tests set otherwise. */
export interface StoreTuning {
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly partBytes?: number;
  readonly backoffMs?: number;
  readonly idleMs?: number;
  readonly pageSize?: number;
  readonly requestsMax?: number;
  readonly random?: () => number;
}

const DEFAULTS = {
  environment: process.env,
  partBytes: 16 * MiB,
  backoffMs: 200,
  idleMs: 30_000,
  pageSize: 1000,
  requestsMax: 16,
  random: Math.random,
} satisfies StoreTuning;

/**
 * Asks nothing of the store yet. `close` must be called. Throws INVALID_ARGUMENT for a URL or
 * endpoint that is none.
 */
export async function openStore(
  url: string,
  settings: StoreSettings = {},
  tuning: StoreTuning = {},
): Promise<ObjectStore> {
  const address = parseStoreUrl(url);
  if (address.kind === 'folder') return new FolderStore(address.path, address.url);
  const { S3Store } = await import('./s3/s3-store.ts');
  const { credentialChain, regionOf } = await import('./s3/credentials/chain.ts');
  const { environment, ...tuned } = { ...DEFAULTS, ...tuning };
  const fromEnvironment = environment['AWS_ENDPOINT_URL_S3'] ?? environment['AWS_ENDPOINT_URL'];
  const { kind: _kind, ...where } = address;
  return new S3Store({
    ...where,
    endpoint: checkEndpoint(settings.s3Endpoint || fromEnvironment),
    region: settings.s3Region || (await regionOf(environment)),
    credentials: credentialChain(environment, systemTime),
    time: systemTime,
    ...tuned,
  });
}

function checkEndpoint(text: string | undefined): string | undefined {
  if (text === undefined || text === '') return undefined;
  const isUrl = /^https?:\/\//.test(text) && URL.canParse(text);
  if (isUrl && !new URL(text).search && !new URL(text).username) return text;
  throw new SteleError(
    'INVALID_ARGUMENT',
    '--s3-endpoint: it must be an address such as https://s3.example.com or http://127.0.0.1:9000.',
  );
}

/**
 * Finds out whether the store honours `ifAbsent`, by writing one small object twice. Rejects with
 * UNSUPPORTED for a store that silently ignores it. Needs the rights to write and to delete.
 */
export async function requireConditions(
  store: ObjectStore,
  options: StoreCallOptions = {},
): Promise<void> {
  const name = `probes/${randomId()}`;
  const conditional = { ...options, ifAbsent: true };
  await store.put(name, bodyOfBytes(Buffer.from('first')), conditional);
  try {
    await store.put(name, bodyOfBytes(Buffer.from('second')), conditional);
  } catch (thrown) {
    if (thrown instanceof SteleError && thrown.code === 'CONFLICT') return;
    throw thrown;
  } finally {
    await store.delete([name], options);
  }
  throw new SteleError(
    'UNSUPPORTED',
    `${store.url}: the store ignores \`If-None-Match: *\` and overwrites what is there, so two writers could destroy each other's work; use a store that honours it, such as AWS S3, Ceph or MinIO, in a recent release.`,
  );
}

/** Bytes in memory as the body of an object. */
export function bodyOfBytes(bytes: Uint8Array): ObjectBody {
  return {
    byteCount: bytes.length,
    read: (start, end) => Promise.resolve(bytes.subarray(start, end)),
  };
}

/**
 * Reads a whole object of at most `bytesMax` bytes. Throws NOT_FOUND, and CORRUPT if it is larger.
 */
export async function readObject(
  store: ObjectStore,
  name: string,
  bytesMax: number,
  options: StoreCallOptions = {},
): Promise<Buffer> {
  const found = await store.stat(name, options);
  if (found === undefined) {
    throw new SteleError('NOT_FOUND', `${store.url}: there is no object '${name}'.`);
  }
  if (found.byteCount > bytesMax) {
    const text = `${store.url}: '${name}' has ${found.byteCount} bytes, which is too much for what it is.`;
    throw new SteleError('CORRUPT', text);
  }
  const bytes = Buffer.allocUnsafe(found.byteCount);
  await store.read(name, bytes, 0, options);
  return bytes;
}
