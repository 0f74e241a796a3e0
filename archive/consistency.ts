// Whether the parts of a manifest or a snapshot fit together. Their hashes find what a disk or a
// network did; this finds what a wrong writer did, before it is restored.

import { SHARD_COUNT_MAX } from '../base/limits.ts';
import { shardNamedBy } from '../base/segment-name.ts';
import { Digest } from '../segment/digest.ts';
import type { ArchivedManifest, ArchivedTotals, Snapshot } from './archived.ts';

/** What is wrong with the manifest; undefined: nothing. */
export function faultOfManifest(manifest: ArchivedManifest): string | undefined {
  const { overwritten, segments, shardCount, version } = manifest;
  if (!isShardCount(shardCount)) return `${shardCount} is no number of shards`;
  const ids = new Set<string>();
  let before = 0;
  for (const { id, shard } of segments) {
    if (shard >= shardCount || shardNamedBy(id) !== shard)
      return `segment ${id} is of another shard`;
    if (ids.has(id)) return `segment ${id} is in it twice`;
    if (shard < before) return `segment ${id} is not in the order of the shards`;
    ids.add(id);
    before = shard;
  }
  const stranger = Object.keys(overwritten).find((id) => !ids.has(id));
  if (stranger !== undefined) return `it has no segment ${stranger}`;
  const sum = sumOf(segments, Object.values(overwritten));
  const isSum =
    sum.records === version.records &&
    sum.keyBytes === version.keyBytes &&
    sum.valueBytes === version.valueBytes &&
    sum.digest === version.digest;
  return isSum ? undefined : 'its segments do not add up to the version';
}

/** What is wrong with the snapshot; undefined: nothing. */
export function faultOfSnapshot({ keyspaces, shardCount }: Snapshot): string | undefined {
  if (!isShardCount(shardCount)) return `${shardCount} is no number of shards`;
  const names = new Set<string>();
  const uids = new Set<string>();
  for (const { currentVersion, name, uid, versions } of keyspaces) {
    if (names.has(name) || uids.has(uid)) return `keyspace '${name}' is in it twice`;
    names.add(name);
    uids.add(uid);
    const numbers = versions.map(({ number }) => number);
    if (numbers.some((number, at) => number <= (numbers[at - 1] ?? 0))) {
      return `the versions of keyspace '${name}' are not in order`;
    }
    if (currentVersion !== 0 && !numbers.includes(currentVersion)) {
      return `the current version of keyspace '${name}' is missing`;
    }
    const stranger = versions.find(
      ({ manifest, number }) =>
        !new RegExp(`^manifests/${uid}/${number}-[0-9a-f]{32}\\.json$`).test(manifest),
    );
    if (stranger !== undefined) return `'${stranger.manifest}' is no manifest of '${name}'`;
  }
  return undefined;
}

function isShardCount(count: number): boolean {
  return count <= SHARD_COUNT_MAX && Math.log2(count) % 1 === 0;
}

function sumOf(plus: readonly ArchivedTotals[], minus: readonly ArchivedTotals[]): ArchivedTotals {
  const digest = new Digest();
  const sum = { records: 0, keyBytes: 0, valueBytes: 0 };
  const add = (sign: 1 | -1, totals: ArchivedTotals): void => {
    sum.records += sign * totals.records;
    sum.keyBytes += sign * totals.keyBytes;
    sum.valueBytes += sign * totals.valueBytes;
    const part = Digest.fromBytes(Buffer.from(totals.digest, 'hex'));
    if (sign > 0) digest.add(part);
    else digest.subtract(part);
  };
  for (const totals of plus) add(1, totals);
  for (const totals of minus) add(-1, totals);
  return { ...sum, digest: digest.toHex() };
}
