// Everything that is known of one keyspace: its settings, shards that cannot be read, reads,
// versions, last loads and events.

import { SteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import { formatBytes } from '../../base/units.ts';
import type { KeyspaceReads } from '../../proto/gen/stele/v1/counters.ts';
import type { KeyspaceSummary } from '../../proto/gen/stele/v1/cluster.ts';
import { HealthStatus } from '../../proto/gen/stele/v1/view.ts';
import { keyspacesJson, loadJson, versionJson } from '../../proto/json-shapes.ts';
import { describeRepair, tierText } from '../listings/keyspaces.ts';
import { listed } from '../listings/listing.ts';
import { LOADS } from '../listings/loads.ts';
import type { Output } from '../output.ts';
import { formatCount } from '../text-table.ts';
import { versionsOf } from '../listings/versions.ts';
import type { Admin } from '../with-admin.ts';
import { TABLE } from './description.ts';
import type { Description, Field } from './description.ts';
import { eventsJson, eventsPart, lastEvents } from './events.ts';

const LOADS_SHOWN = 5;

/** Throws KEYSPACE_NOT_FOUND. */
export async function describeKeyspace(
  admin: Admin,
  name: string,
  output: Output,
): Promise<Description> {
  const [{ keyspaces, noLeader }, versions] = await Promise.all([
    admin.listKeyspaces(),
    admin.listVersions(name),
  ]);
  const keyspace = keyspaces.find((one) => one.name === name);
  if (keyspace === undefined) {
    throw new SteleError('KEYSPACE_NOT_FOUND', `There is no keyspace '${shorten(name)}'.`);
  }
  const [{ loads }, health, reads, events] = await Promise.all([
    admin.listLoads(name),
    admin.getHealth({ waitFor: HealthStatus.UNSPECIFIED, timeoutMs: 0 }),
    readsOf(admin, name),
    lastEvents(admin, name),
  ]);
  const unserved = health.uncovered
    .filter((shard) => shard.keyspaces.includes(name))
    .map(({ shard }) => shard);
  const shownLoads = loads.slice(0, LOADS_SHOWN);
  return {
    fields: [
      ...fieldsOf(keyspace),
      ['Shards without a copy', unserved.join(', ') || 'none'],
      ['Read', readsText(reads)],
    ],
    parts: [
      { title: 'Versions', text: await listed(versionsOf(name), output, TABLE, versions) },
      { title: 'Last loads', text: await listed(LOADS, output, TABLE, { loads: shownLoads }) },
      await eventsPart(events, output),
    ],
    json: {
      ...keyspacesJson({ keyspaces: [keyspace], noLeader })[0],
      shards_without_copy: unserved,
      reads,
      versions: versions.versions.map(versionJson),
      loads: shownLoads.map(loadJson),
      events: eventsJson(events),
    },
  };
}

function fieldsOf(keyspace: KeyspaceSummary): Field[] {
  const { keyBytes, name, repairing, segmentBytes, valueBytes } = keyspace;
  return [
    ['Name', name],
    ['Index', String(keyspace.index)],
    ['UID', keyspace.uid],
    ['State', keyspace.state.toLowerCase()],
    ...(repairing === undefined ? [] : [['Repair', describeRepair(name, repairing)] as const]),
    ['Current version', keyspace.currentVersion === 0 ? 'none' : String(keyspace.currentVersion)],
    ['Committed', keyspace.committedAt],
    ['Created', keyspace.createdAt],
    ['Records', formatCount(keyspace.records)],
    ['Keys and values', `${formatBytes(keyBytes)} and ${formatBytes(valueBytes)}`],
    ['Segments', `${formatBytes(segmentBytes)}, one copy`],
    ['Digest', keyspace.digest.toString('hex')],
    ['Copies', String(keyspace.replication)],
    ['Versions kept', String(keyspace.keep)],
    ['Tier', tierText(keyspace)],
    ['Cached by masters', keyspace.uncached ? 'no' : 'yes'],
  ];
}

type Reads = Omit<KeyspaceReads, 'keyspace' | 'keyspaceUid'>;

/**
 * The reads since the start of each process: those of all datanodes, and the cache of the process
 * asked.
 */
async function readsOf(admin: Admin, name: string): Promise<Reads> {
  const { nodes, own } = await admin.readCounters();
  const all = [
    ...nodes.flatMap(({ counters }) => counters ?? []),
    ...(own === undefined ? [] : [own]),
  ];
  const total = {
    found: 0,
    notFound: 0,
    valueBytes: 0,
    cacheHits: 0,
    diskCacheHits: 0,
    diskCacheMisses: 0,
  };
  for (const reads of all.flatMap(({ keyspaces }) => keyspaces)) {
    if (reads.keyspace !== name) continue;
    total.found += reads.found;
    total.notFound += reads.notFound;
    total.valueBytes += reads.valueBytes;
    total.cacheHits += reads.cacheHits;
    total.diskCacheHits += reads.diskCacheHits ?? 0;
    total.diskCacheMisses += reads.diskCacheMisses ?? 0;
  }
  return total;
}

function readsText(reads: Reads): string {
  const { cacheHits, diskCacheHits = 0, diskCacheMisses = 0, found, notFound, valueBytes } = reads;
  const onDisk = diskCacheHits + diskCacheMisses;
  const disk =
    onDisk === 0
      ? ''
      : `; of ${formatCount(onDisk)} records on disk, ${((100 * diskCacheHits) / onDisk).toFixed(1)}% were in the caches of datanodes`;
  return `${formatCount(found)} keys found and ${formatCount(notFound)} not by datanodes, ${formatBytes(valueBytes)}; ${formatCount(cacheHits)} from the cache of this master${disk}`;
}
