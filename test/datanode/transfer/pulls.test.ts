// Segments that a datanode pulls out of a store for a load.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';
import type { ObjectStore } from '../../../archive/object-store.ts';
import { SteleError } from '../../../base/errors.ts';
import type { Datanode } from '../../../datanode/node.ts';
import type { BuiltSegment } from '../../../segment/builder.ts';
import { openTestNode } from '../../support/peers/datanode.ts';
import { TEST_UID, numberedPairs, segmentsOf } from '../../support/segments/segments.ts';
import { tempDir } from '../../support/temp-dir.ts';

const [SEGMENT] = segmentsOf(numberedPairs(500), 1) as [BuiltSegment];
const OBJECT = 'from/elsewhere/a.seg';
const OTHER_UID = 'fedcba9876543210';

function storeWith(bytes: Uint8Array): { readonly url: string; readonly path: string } {
  const folder = tempDir();
  const path = join(folder, OBJECT);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
  return { url: pathToFileURL(folder).href, path };
}

/** Resolves with the numbers of bytes that were reported on the way. */
async function pull(
  node: Datanode,
  url: string,
  { keyspaceUid = TEST_UID, shardCount = 1, signal = new AbortController().signal } = {},
): Promise<number[]> {
  const { bytes, info } = SEGMENT;
  const seen: number[] = [];
  await node.pull(
    {
      ...{ keyspaceUid, segmentId: info.id, byteLength: bytes.length, loadId: 'l' },
      ...{ expectNode: 'n1', expectIncarnation: '' },
    },
    { url, s3Endpoint: '', s3Region: '', object: OBJECT, ...{ shardCount, bytesPerSecondMax: 0 } },
    { onBytes: (bytesDone) => seen.push(bytesDone), signal },
  );
  return seen;
}

const isHeld = (node: Datanode): boolean => node.holdings.has(TEST_UID, SEGMENT.info.id);

it('a segment is held once its bytes are verified and durable, and is not pulled twice', async () => {
  const { folder, node, store } = await openTestNode(tempDir());
  const { path, url } = storeWith(SEGMENT.bytes);
  expect(await pull(node, url)).toEqual([0, SEGMENT.bytes.length]);
  expect(isHeld(node)).toBe(true);
  expect(node.pulledBytesTotal).toBe(SEGMENT.bytes.length);
  const file = store.fileOf(TEST_UID, SEGMENT.info.id).path;
  expect(file.startsWith(folder)).toBe(true);
  expect(readFileSync(file).equals(SEGMENT.bytes)).toBe(true);
  rmSync(path);
  expect(await pull(node, url)).toEqual([]);
});

it.each([
  [
    'a damaged one',
    (bytes: Buffer) => void bytes.writeUInt8(bytes.readUInt8(300) ^ 1, 300),
    TEST_UID,
  ],
  ['one of another keyspace', () => undefined, OTHER_UID],
])('%s is refused, with the name of the object', async (_, change, keyspaceUid) => {
  const { node } = await openTestNode(tempDir());
  const bytes = Buffer.from(SEGMENT.bytes);
  change(bytes);
  const { url } = storeWith(bytes);
  const refused = pull(node, url, { keyspaceUid });
  await expect(refused).rejects.toMatchObject({ code: 'CORRUPT' });
  await expect(refused).rejects.toThrow(`'${OBJECT}' of ${url}: The segment `);
  expect(node.holdings.has(keyspaceUid, SEGMENT.info.id)).toBe(false);
});

it('what the store refuses is what the load is told', async () => {
  const { node } = await openTestNode(tempDir());
  const { path, url } = storeWith(SEGMENT.bytes);
  rmSync(path);
  await expect(pull(node, url)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(pull(node, 'ftp://x')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
});

function fakeStore(read: ObjectStore['read']): ObjectStore {
  const none = () => Promise.reject(new SteleError('UNSUPPORTED', 'not here'));
  const close = () => undefined;
  return { url: 'fake', read, put: none, stat: none, delete: none, list: none as never, close };
}

it('bytes that were damaged on the way are read once more', async () => {
  let reads = 0;
  const store = fakeStore(async (_, into) => {
    into.set(SEGMENT.bytes);
    if (reads++ === 0) into[300] = 0xff ^ (into[300] ?? 0);
  });
  const { node } = await openTestNode(tempDir(), { openObjectStore: async () => store });
  await pull(node, 'fake');
  expect(reads).toBe(2);
  expect(isHeld(node)).toBe(true);
});

it('a pull ends with the load that asked for it, and takes no space then', async () => {
  const gone = new AbortController();
  let reads = 0;
  const store = fakeStore((_, into, _start, { signal } = {}) => {
    if (++reads > 2) {
      into.set(SEGMENT.bytes);
      return Promise.resolve();
    }
    return new Promise((_resolve, reject) => {
      signal?.addEventListener('abort', () => reject(new SteleError('CANCELLED', 'stopped')));
      if (reads === 2) gone.abort();
    });
  });
  const memoryMaxBytes = 2.5 * SEGMENT.bytes.length;
  const openObjectStore = async () => store;
  const { node } = await openTestNode(tempDir(), { memoryMaxBytes, openObjectStore });
  // Two at a time, as there are two places; the third waits for one.
  const { signal } = gone;
  const all = await Promise.allSettled([1, 2, 3].map(() => pull(node, 'fake', { signal })));
  expect(all.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
  expect(reads).toBe(2);
  await pull(node, 'fake');
  expect(isHeld(node)).toBe(true);
});
