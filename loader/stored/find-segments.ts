// Finds the segments of one version below a URL, of any writer: every object whose name ends in
// `.seg`, described by its header. Only the headers are read here; the datanodes read and verify the
// rest.

import { addTotals, BUILD_MARK_NAME } from '../../archive/builds/layout.ts';
import type { StoredObject } from '../../archive/object-store.ts';
import { SteleError, toSteleError } from '../../base/errors.ts';
import { SEGMENT_BYTES_MAX } from '../../base/limits.ts';
import { SEGMENT_FILE_ENDING, segmentId } from '../../base/segment-name.ts';
import { HEADER_BYTES } from '../../segment/layout.ts';
import { readHeader } from '../../segment/header.ts';
import { forEachBounded } from '../bytes/bounded.ts';
import type { Transfer } from '../transfer/open-transfer.ts';
import type { StoredSegment, StoredVersion } from './stored-version.ts';

/** Segments of a version, and files that somebody left there. */
const SEGMENTS_MAX = 100_000;

interface Described {
  readonly keyspaceUid: string;
  readonly shardCount: number;
  readonly segment: StoredSegment;
}

/**
 * Throws INPUT_NOT_FOUND if there are none; INPUT_INVALID for those that are not one version's, or
 * not segments; what the store throws.
 */
export async function findSegments(transfer: Transfer): Promise<StoredVersion> {
  const { archive, progress, settings, stop } = transfer;
  const { url } = archive.store;
  const objects = await listSegments(transfer);
  progress.begin('plan', objects.length);
  const found: Described[] = [];
  const isDone = await forEachBounded(objects, settings.transfers, stop, async (object) => {
    found.push(await describe(transfer, object));
    progress.done(0);
  });
  if (!isDone) throw new SteleError('CANCELLED', 'The load was stopped.');
  const [first] = found;
  if (first === undefined) {
    const text = `There is no segment below ${url}: no object's name ends in '${SEGMENT_FILE_ENDING}'; check the URL.`;
    throw new SteleError('INPUT_NOT_FOUND', text);
  }
  const segments = found
    .map(({ segment }) => segment)
    .sort((one, other) => one.shard - other.shard);
  refuseMixture(url, found);
  const { keyspaceUid, shardCount } = first;
  const totals = addTotals(segments);
  const nothing = { rejected: 0, duplicates: 0, overruled: 0 };
  const input = `${segments.length} segments of ${shardCount} shards`;
  return { keyspaceUid, shardCount, segments, totals, rows: totals.records, ...nothing, input };
}

async function listSegments({ archive, stop }: Transfer): Promise<StoredObject[]> {
  const objects: StoredObject[] = [];
  for await (const object of archive.store.list('', { signal: stop.signal })) {
    if (object.name === BUILD_MARK_NAME) throw isBuild(archive.store.url);
    if (!object.name.endsWith(SEGMENT_FILE_ENDING)) continue;
    objects.push(object);
    if (objects.length <= SEGMENTS_MAX) continue;
    const text = `Below ${archive.store.url} there are more than ${SEGMENTS_MAX} segments, and a version has one for each shard; name the folder of one version.`;
    throw new SteleError('INPUT_INVALID', text);
  }
  return objects;
}

/** The manifests of a build know whether a segment is missing, and this load would not. */
function isBuild(url: string): SteleError {
  const text = `${url} is a build, which knows what belongs to it; use \`stele commit KEYSPACE ${url}\`. Nothing was changed.`;
  return new SteleError('INPUT_INVALID', text);
}

async function describe({ archive, stop }: Transfer, object: StoredObject): Promise<Described> {
  const { byteCount, name } = object;
  const { store } = archive;
  const bytes = Buffer.alloc(Math.min(byteCount, HEADER_BYTES));
  if (byteCount > SEGMENT_BYTES_MAX) {
    throw notOne(store.url, name, `It has ${byteCount} bytes, which is more than a segment has.`);
  }
  await store.read(name, bytes, 0, { signal: stop.signal });
  try {
    const { digest, ...header } = readHeader(bytes, byteCount);
    const { contentHash, fileBytes, keyBytes, records, shard, valueBytes } = header;
    const hex = digest.toString('hex');
    const id = segmentId(shard, hex, contentHash);
    const counts = { fileBytes, records, keyBytes, valueBytes };
    const { keyspaceUid, shardCount } = header;
    const segment = { id, shard, ...counts, digest: hex, object: name };
    return { keyspaceUid, shardCount, segment };
  } catch (thrown) {
    throw notOne(store.url, name, toSteleError(thrown).message, thrown);
  }
}

function notOne(url: string, name: string, why: string, cause?: unknown): SteleError {
  const text = `'${name}' of ${url} cannot be loaded: ${why} Nothing was changed.`;
  return new SteleError('INPUT_INVALID', text, { cause });
}

/** Throws INPUT_INVALID unless all are of one keyspace and one set of shards, one for a shard. */
function refuseMixture(url: string, found: readonly Described[]): void {
  const [first] = found;
  const shards = new Map<number, string>();
  for (const { keyspaceUid, segment, shardCount } of found) {
    const { object, shard } = segment;
    const isOther = keyspaceUid !== first?.keyspaceUid || shardCount !== first.shardCount;
    const other = isOther ? first?.segment.object : shards.get(shard);
    shards.set(shard, object);
    if (other === undefined) continue;
    const [one, two] = [other, object].sort();
    const why = isOther
      ? 'are of different keyspaces, or of different numbers of shards'
      : `are both of shard ${shard}`;
    const text = `'${one}' and '${two}' ${why}, so ${url} is not one version; name the folder of one version. Nothing was changed.`;
    throw new SteleError('INPUT_INVALID', text);
  }
}
